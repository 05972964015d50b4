"""The documentation's site in a real browser, in both schemes: readable, and usable without a mouse or eyes.

Building the site takes longer than these tests, so that MOEBENCH_SITE names the folder of one that was built.
"""

import os
from pathlib import Path
from typing import Any

import pytest

# Of each kind of page one: text, a table of links in code, a generated reference, signatures with links.
PAGES = ("tutorial.html", "routers/index.html", "reference/columns.html", "reference/api.html")


@pytest.fixture(scope="module")
def site() -> Path:
    folder = os.environ.get("MOEBENCH_SITE")
    if folder is None:
        pytest.skip("no site: mkdocs build --site-dir DIR, and MOEBENCH_SITE=DIR")
    return Path(folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, site: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="the check needs the package axe-core-python")
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    found = []
    browser.set_script_timeout(120)
    for page in PAGES:
        browser.get((site / page).as_uri())
        # The theme keeps the first scheme that it saw.
        browser.execute_script("localStorage.clear()")
        browser.refresh()
        drawn = browser.execute_script("return document.body.dataset.mdColorScheme")
        assert drawn == {"light": "default", "dark": "slate"}[scheme]
        violations = axe.Axe().run(browser, options={"resultTypes": ["violations"]})["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        found += [(page, each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious]
    browser.set_script_timeout(30)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert found == []
