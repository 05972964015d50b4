"""Routers against each other: by hand, and by the same method as `compare`."""

import pandas as pd
import pytest
from claim_frames import cell, right, table
from matplotlib.colors import to_hex
from report_frames import suite_frame

from moebench.compare.compare import compare
from moebench.errors import BadInput
from moebench.reports import figures, style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.router_pairs import router_pairs
from moebench.reports.dashboard import forest

DENSE = cell("dense", (0.90, 0.92, 0.91))
SOFT = cell("soft", (0.95, 0.97, 0.963), experts=4)
BPR = cell("bpr", (0.91, 0.92, 0.913), experts=4, flops=2e6)


def pairs(*cells: pd.DataFrame, metric: str = "accuracy") -> pd.DataFrame:
    return router_pairs(Results.from_frame(table(*cells)), metric).set_index(["a", "b"])


def test_differences_by_hand() -> None:
    found = pairs(DENSE, SOFT, BPR)
    # Means 0.91, 0.961 and 0.914333.
    assert found["effect"].mul(100).round(4).to_dict() == {
        ("soft", "dense"): 5.1,
        ("bpr", "dense"): 0.4333,
        ("soft", "bpr"): 4.6667,
    }
    assert found["better"].tolist() == ["soft", "", "soft"]
    assert found["flops"].round(3).tolist() == [1.0, 2.0, 0.5]


def test_cells_are_pooled_and_controls_left_out() -> None:
    more = cell("soft", (0.94, 0.96, 0.953), experts=8)
    single = cell("soft", (0.5, 0.51, 0.52), experts=1)
    wide = cell("dense", (0.99, 0.99, 0.995), mlp_ratio=10.0)
    found = pairs(DENSE.assign(mlp_ratio=4.0), wide, *(each.assign(mlp_ratio=4.0) for each in (SOFT, more, single)))
    # 5.1 points with 4 experts, 4.1 with 8.
    assert found.loc[("soft", "dense"), ["effect", "cells"]].tolist() == pytest.approx([0.046, 2])


def test_numbers_are_those_of_compare() -> None:
    frame = suite_frame()
    frame["image_correct"] = [right(share, seeds=1, rng=place)[0] for place, share in enumerate(frame["accuracy"])]
    found = router_pairs(Results.from_frame(frame)).set_index(["a", "b"])
    for a, b in (("soft", "dense"), ("soft", "bpr")):
        sides = (frame[frame["router"] == router] for router in (a, b))
        report = compare(*sides, named=["router"], metrics=["accuracy"], pool=frame)
        row = report.overall.iloc[0]
        assert found.loc[(a, b), ["effect", "low", "high", "p_value"]].tolist() == pytest.approx(
            row[["change", "change_low", "change_high", "p_value"]].tolist(), rel=1e-9
        )


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(BadInput, match="no two routers to compare by accuracy"):
        pairs(DENSE)
    with pytest.raises(BadInput, match="no two routers to compare by accuracy"):
        pairs(DENSE.head(1), SOFT.head(1))  # one seed
    with pytest.raises(BadInput, match="did you mean 'accuracy'"):
        pairs(DENSE, SOFT, metric="acuracy")


def test_figure_and_page_show_grey_unless_significant() -> None:
    results = Results.from_frame(table(DENSE, SOFT, BPR))
    drawing = figures.draw("forest", results)
    bars = [to_hex(line.get_color()) for line in drawing.axes[0].get_lines()[1::2]]
    soft = style.style_of("soft").color
    assert bars == [soft, style.NOT_SIGNIFICANT, soft]
    assert [label.get_text() for label in drawing.axes[0].get_yticklabels()] == [
        "soft − dense",
        "bpr − dense ≠",
        "soft − bpr ≠",
    ]
    page = forest.rows(results)
    assert page["color"].tolist() == bars
    assert page["effect_text"].tolist() == [label.get_text() for label in drawing.axes[1].get_yticklabels()]
    assert page["verdict"].tolist() == ["soft is better", "not significant", "soft is better"]
