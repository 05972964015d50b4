"""Where a gain comes from: differences by hand, from whichever controls a suite has."""

import pandas as pd
import pytest
from claim_frames import cell, table
from rich.console import Console

from moebench.claims.claim import parse_claim
from moebench.claims.verdict import judge
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.gains import gains
from moebench.reports.answer.terminal_table import render_texts
from moebench.reports.markdown import build
from moebench.reports.tables import gains as gains_table


def shifted(points: float) -> list[float]:
    return [0.9 + points / 100, 0.92 + points / 100, 0.91 + points / 100]


DENSE = cell("dense", shifted(0), mlp_ratio=4.0).assign(params=1e6)
WIDE = cell("dense", shifted(2), mlp_ratio=10.0, flops=2e6).assign(params=3e6)
SOFT, SINGLE = (cell("soft", shifted(points), experts=n) for points, n in ((5, 8), (3, 1)))
BPR, RANDOM, HASH = (
    cell(router, [value + jitter for value, jitter in zip(shifted(points), (0.001, 0, -0.001), strict=True)], experts=8)
    for router, points in (("bpr", 4), ("random", 1), ("hash", 4))
)


def found(*cells: pd.DataFrame) -> pd.DataFrame:
    return gains(Results.from_frame(table(*cells))).set_index(["part", "a", "b"])


def test_parts_of_a_gain_by_hand() -> None:
    every = found(DENSE, WIDE, SOFT, SINGLE, BPR, RANDOM, HASH)
    assert every["effect"].mul(100).round(6).to_dict() == {
        ("capacity", "dense, MLPs of 10 widths", "dense"): 2.0,
        ("capacity", "random gate", "dense"): 1.0,
        ("mixing", "soft with one expert", "dense"): 3.0,
        ("learned routing", "bpr", "random"): 3.0,
        ("learned routing", "bpr", "hash"): 0.0,
        ("learned routing", "soft", "soft with one expert"): 2.0,
        ("learned routing", "soft", "random"): 4.0,
        ("learned routing", "soft", "hash"): 1.0,
    }
    wide = every.loc[("capacity", "dense, MLPs of 10 widths", "dense")]
    assert (wide["params"], wide["flops"]) == (pytest.approx(3.0), pytest.approx(2.0))


def test_widths_that_differ_between_models_are_no_control() -> None:
    # Each model has MLPs of its own width: no cell shows what more parameters are worth.
    other = WIDE.assign(model="nano/4"), RANDOM.assign(model="nano/4")
    assert list(found(DENSE, RANDOM, *other).index) == [("capacity", "random gate", "dense")]


def test_routers_without_cells_that_match_are_said_not_to_be_compared() -> None:
    elsewhere = cell("bpr", shifted(4), experts=8, data="fractals-10")
    (text,) = found(DENSE, RANDOM, elsewhere).xs("learned routing")["text"]
    assert text.startswith("Not compared: no two cells differ in router alone")


def test_the_oracle_is_neither_learned_nor_a_control() -> None:
    oracle = cell("oracle", shifted(5), experts=8)
    assert set(found(DENSE, RANDOM, BPR, oracle).index) == set(found(DENSE, RANDOM, BPR).index)


def test_differences_are_those_of_claims_and_corrected_for_all_rows() -> None:
    both = found(DENSE, RANDOM, BPR)
    same = {"than": {"router": "dense"}, "at": "any cost", "says": "a", "source": "b"}
    claims = [
        parse_claim(same | {"better": {"router": "random"}}),
        parse_claim({**same, "better": {"router": "bpr"}, "than": {"router": "random"}}),
    ]
    verdicts = judge(table(DENSE, RANDOM, BPR), claims)
    assert both[["effect", "low", "high"]].to_numpy().tolist() == [list(verdict.effect) for verdict in verdicts]
    assert both["text"].tolist() == [
        verdict.text.replace("Shown", "Better").replace("Undecided", "Not significant") for verdict in verdicts
    ]


def test_without_controls_or_accuracies_nothing_is_said() -> None:
    assert found(DENSE, SOFT, BPR).empty
    assert gains(Results.from_frame(table(DENSE, WIDE).assign(accuracy=float("nan")))).empty
    assert gains_table(Results.from_frame(table(DENSE, SOFT))).texts == {}


def test_terminal_and_markdown_have_the_texts_of_the_page() -> None:
    results = Results.from_frame(table(DENSE, WIDE, SOFT, SINGLE))
    content = gains_table(results)
    console = Console(width=250, record=True)
    console.print(render_texts(content))
    printed, report = console.export_text(), build(results, "mine")
    assert "## Where does the gain come from" in report
    for text in (*content.texts["found"], *content.texts["compared"]):
        assert text in printed
        assert text in report.replace("\\", "")
