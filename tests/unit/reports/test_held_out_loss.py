"""Test losses over compute and time, and the points at which a cell and dense reach one loss."""

import numpy as np
import pandas as pd
import pytest
from claim_frames import cell, table
from overlaps import overlaps

from moebench.errors import BadInput
from moebench.reports import figures
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.held_out_loss import crossings, held_out_loss

STEPS = [100, 200, 300, 400]


def curve(router: str, losses: list[float], flops: float, ratio: float) -> pd.DataFrame:
    """A cell of two seeds, 0.1 above and below these losses."""
    frame = cell(router, [0.9, 0.9]).assign(flops_train_step=flops, train_step_vs_dense=ratio)
    return frame.assign(
        train_step_vs_dense_ci_low=0.98 * ratio,
        train_step_vs_dense_ci_high=1.02 * ratio,
        curve_eval_step=[STEPS] * 2,
        curve_eval_loss=[[loss + move for loss in losses] for move in (0.1, -0.1)],
    )


@pytest.fixture(scope="module")
def results() -> Results:
    """Dense, a cell of twice its FLOPs that is better in the end, and one that is worse."""
    return Results.from_frame(
        table(
            curve("dense", [4.0, 3.0, 2.0, 1.0], 1e6, 1.0),
            curve("soft", [3.0, 1.0, 0.7, 0.5], 2e6, 1.5),
            curve("bpr", [4.5, 4.0, 3.5, 3.0], 1e6, 1.25),
        )
    )


def test_losses_are_means_over_seeds_over_flops_and_time(results: Results) -> None:
    soft = held_out_loss(results).query("router == 'soft'")
    assert soft["loss"].tolist() == pytest.approx([3.0, 1.0, 0.7, 0.5])
    assert soft["loss_low"].tolist() == pytest.approx([2.9, 0.9, 0.6, 0.4])
    assert soft["flops"].tolist() == pytest.approx([2e8, 4e8, 6e8, 8e8])
    assert soft["time"].tolist() == pytest.approx([150, 300, 450, 600])


def test_crossings_lie_where_the_better_of_two_reaches_the_loss_of_the_other(results: Results) -> None:
    found = crossings(results).set_index("router")
    # Soft reaches 1 at step 200 of twice the FLOPs, which are all of dense's, and of 1.5 times the time: 300 of 400.
    soft = found.loc["soft", ["loss", "flops", "time", "compute_multiplier", "time_multiplier"]].astype(float)
    assert soft.tolist() == pytest.approx([1.0, 4e8, 300, 1.0, 4 / 3])
    # Dense reaches 3, the end of bpr, at step 200 of 400.
    bpr = found.loc["bpr", ["loss", "flops", "time", "compute_multiplier", "time_multiplier"]].astype(float)
    assert bpr.tolist() == pytest.approx([3.0, 2e8, 200, 0.5, 0.4])


def test_the_figure_marks_the_crossings_with_what_a_router_is_worth(results: Results) -> None:
    figure = figures.draw("multiplier", results)
    flops, time = figure.axes
    assert {text.get_text() for text in flops.texts} == {"1.00 ×", "0.50 ×"}
    assert {text.get_text() for text in time.texts} == {"1.33 ×", "0.40 ×"}
    for layout in (figures.Layout("paper", 1), figures.Layout("talk", 1), figures.Layout("talk", 2)):
        narrow = figures.draw("multiplier", results, layout)
        assert len(narrow.axes) == 2
        assert overlaps(narrow) == []


def test_a_loss_reached_before_the_first_evaluation_is_marked_as_a_limit() -> None:
    early, late = (curve(name, losses, 1e6, 1.0) for name, losses in (("bpr", [0.5] * 4), ("soft", [6.0] * 4)))
    frame = table(curve("dense", [4.0, 3.0, 2.0, 1.0], 1e6, 1.0), early, late)
    flops, _ = figures.draw("multiplier", Results.from_frame(frame)).axes
    assert {text.get_text() for text in flops.texts} == {"≥ 4.00 ×", "≤ 0.25 ×"}


def test_models_have_panels_of_their_own_and_routers_one_number_each(results: Results) -> None:
    more = curve("soft", [3.0, 1.5, 0.9, 0.6], 2e6, 1.5).assign(experts=64, cell_id="more")
    rows = pd.concat([results.rows, more])
    other = rows.assign(model="ti/16", cell_id=rows["cell_id"] + "-ti", flops_train_step=3 * rows["flops_train_step"])
    drawing = figures.draw("multiplier", Results.from_frame(pd.concat([rows, other], ignore_index=True)))
    assert [panel.get_title(loc="left") for panel in drawing.axes[::2]] == [rows["model"].iloc[0], "ti/16"]
    assert [len(panel.texts) for panel in drawing.axes] == [2, 2, 2, 2]
    assert all(len(panel.get_lines()) == 4 + 3 for panel in drawing.axes)  # curves and rings
    assert overlaps(drawing) == []


def test_cells_that_were_not_timed_are_left_out_of_the_panel_of_time(results: Results) -> None:
    untimed = results.rows.assign(**{f"train_step_vs_dense{end}": np.nan for end in ("", "_ci_low", "_ci_high")})
    sparse = Results.from_frame(untimed)
    assert crossings(sparse)["time"].isna().all()
    flops, time = figures.draw("multiplier", sparse).axes
    assert (len(flops.texts), len(time.texts)) == (2, 0)
    assert len(time.get_lines()) == 1  # dense, which is timed beside itself


def test_without_curves_there_is_nothing_to_show(results: Results) -> None:
    plain = Results.from_frame(results.rows.assign(curve_eval_loss=None))
    with pytest.raises(BadInput, match="no row has a value of curve_eval_loss"):
        figures.draw("multiplier", plain)
    with pytest.raises(BadInput, match="the key eval_every records them"):
        held_out_loss(Results.from_frame(results.rows.assign(curve_eval_step=None, curve_eval_loss=None)))
