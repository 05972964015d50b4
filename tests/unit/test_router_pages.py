"""Pages and pictures of routers: what they show is what the rules give for the tokens of the pictures."""

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest
from paths import REPOSITORY

from moebench import routers


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    return _of_the_documentation("pictures")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    return _of_the_documentation("router_pages")


def _of_the_documentation(name: str) -> ModuleType:
    sys.path.append(str(REPOSITORY / "docs"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(REPOSITORY / "docs"))


def test_pictures_mark_the_choices_beyond_the_capacity(pictures: ModuleType) -> None:
    # Four experts of four slots: of the tokens whose largest logit is that of expert 0, the first four of the array
    # are taken under Tokens Choice, and the four of the largest gates under BPR.
    logits = pictures.scores()[:, :4]
    favourites = np.flatnonzero(logits.argmax(1) == 0)
    assert favourites.size == 7
    gates = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    surest = favourites[np.argsort(-gates[favourites, 0])]
    for name, order in (("tokens-choice", favourites), ("bpr", surest)):
        found = pictures.route(name)
        assert set(np.flatnonzero(found.taken[:, 0] == 1)) == set(order[:4])
        assert set(np.flatnonzero(found.dropped)) == set(order[4:])
        np.testing.assert_allclose(found.gates, gates, rtol=1e-5)
    assert pictures.note("bpr").startswith("Dropped: 3 of 16 tokens and 3 of 16 choices. Empty: 3 of 16 slots.")
    drawing = pictures.draw("bpr")
    assert [panel.get_title().split(":")[0] for panel in drawing.axes] == ["Gates", "Dispatch", "Combine"]
    hatched = [patch for patch in drawing.axes[1].patches if patch.get_hatch()]
    assert {round(patch.get_y()) for patch in hatched} == set(surest[4:])


def test_soft_slots_hold_every_token(pictures: ModuleType) -> None:
    found = pictures.route("soft")
    np.testing.assert_allclose(found.dispatch.sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose(found.combine.sum((1, 2)), 1, rtol=1e-5)
    assert not found.dropped.any()


@pytest.mark.parametrize("name", routers.names())
def test_a_page_has_the_rule_the_source_and_the_agreement(pages: ModuleType, name: str) -> None:
    page = pages.router_page(name, "")
    rule = page.partition("## Rule\n")[2].partition("\n## ")[0]
    assert "=" in rule, "a rule without an equation"
    for section in ("Picture", "Source", "Agreement with public code"):
        assert page.partition(f"## {section}\n")[2].partition("\n## ")[0].strip()
    assert all(f"| `{option}` |" in page for option in routers.options(name))


def test_pages_show_variants_that_differ_and_packages_that_were_compared(pages: ModuleType) -> None:
    gshard, switch = pages.router_page("gshard", ""), pages.router_page("switch", "")
    assert "| gates are not renormalised over the k choices | V-MoE |" in gshard
    assert "| gates are renormalised over the k choices |" not in gshard  # as GShard's own rule has it
    assert "| gates are renormalised over the k choices | Mixtral, gshard |" in switch
    assert "| mixture-of-experts 0.2.3 | MoE | Agrees if capacity is int(C·S/E), without k and at least 4; " in gshard
    assert "in 11 cases" in pages.router_page("bpr", "")
