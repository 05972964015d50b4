"""The page of recorded routing in a real browser: closed, the same drops as Python's, reached by keys."""

from pathlib import Path
from typing import Any

import pytest
from recordings import four_routers

from moebench.inside import analyses
from moebench.inside.analyses.capacity import slots_at
from moebench.inside.load import Recording
from moebench.reports.figures.patches import first_images
from moebench.reports.look import build

FILL = "return [...document.querySelectorAll('figure[data-side=\"0\"] rect.dropped')].length"
CHOOSE = """
    const select = document.getElementById(arguments[0]);
    select.value = arguments[1];
    select.dispatchEvent(new Event("change"));
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return four_routers(tmp_path_factory.mktemp("results") / "_files" / "s" / "routing")[:3]


@pytest.fixture(scope="module")
def page(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "look.html"
    path.write_text(build.build(recordings, 6), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Any, page: Path) -> Any:
    browser.get("about:blank")
    browser.get(page.as_uri())
    browser.execute_async_script(
        "const done = arguments[0], ready = () => document.querySelector('figure rect');"
        "const wait = () => ready() ? done() : setTimeout(wait, 9); wait();"
    )
    return browser


def test_the_page_is_closed_and_quiet(opened: Any) -> None:
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert len(opened.find_elements("css selector", ".strip button")) == 6
    assert len(opened.find_elements("css selector", "figure rect[role=img]")) == 2 * 4


@pytest.mark.parametrize(("place", "factor"), [(1, 0.25), (3, 1.0), (5, 2.0)])
@pytest.mark.parametrize("order", ["array", "priority"])
def test_dropped_patches_are_pythons(
    opened: Any, recordings: list[Recording], place: int, factor: float, order: str
) -> None:
    bpr = recordings[0]
    needed = analyses.slots_needed(bpr.frame(layers=[3]), "tokens", order).set_index("image")
    slots = slots_at(factor, 4 * 8, 2, 4)
    opened.execute_script(CHOOSE, "factor", place)
    opened.execute_script(CHOOSE, "order", order)
    for number, image in enumerate(first_images(bpr, 6)):
        opened.execute_script("document.querySelectorAll('.strip button')[arguments[0]].click()", number)
        assert opened.execute_script(FILL) == (needed.loc[image, "slots"] > slots).sum()


def test_patches_are_reached_by_keys_and_described(opened: Any) -> None:
    patches = opened.find_elements("css selector", "figure[data-side='0'] rect[role=img]")
    opened.execute_script("arguments[0].focus()", patches[0])
    patches[0].send_keys("\ue014")  # arrow to the right
    focused = opened.switch_to.active_element
    assert focused == patches[1]
    text = opened.find_element("css selector", "figure[data-side='0'] .said").text
    assert text == focused.get_attribute("aria-label")
    assert text.startswith("Patch in row 1, column 2: expert ")
