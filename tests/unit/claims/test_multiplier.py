"""Compute multipliers of curves whose crossing is worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from claim_frames import cell, table

from moebench.claims.multiplier import log_step_ratio, multipliers, open_side, reached
from moebench.reports.analysis.cells import summarise

STEPS = np.array([100.0, 200.0, 300.0, 400.0])
DENSE = (STEPS, np.array([4.0, 3.0, 2.0, 1.0]))
QUICK = (STEPS, np.array([3.0, 0.5, 0.4, 0.3]))
SLOW = (STEPS, np.array([4.0, 3.5, 3.0, 2.5]))


def test_the_step_at_which_a_loss_is_reached() -> None:
    # From 3 at step 100 to 0.5 at step 200: 1 after 2 / 2.5 of the way.
    assert reached(QUICK, 1.0) == pytest.approx(180)
    assert reached(DENSE, 3.0) == 200
    assert reached(QUICK, 3.5) == 100
    assert np.isnan(reached(SLOW, 1.0))


def test_steps_to_one_loss_both_ways() -> None:
    assert np.exp(log_step_ratio(QUICK, DENSE)) == pytest.approx(400 / 180)
    assert log_step_ratio(DENSE, DENSE) == 0
    # Dense reaches 2.5, the end of the slow cell, halfway from 200 to 300.
    assert np.exp(log_step_ratio(SLOW, DENSE)) == pytest.approx(250 / 400)


def test_a_loss_reached_before_the_first_evaluation_gives_a_limit() -> None:
    at_once = (STEPS, np.array([0.9, 0.5, 0.4, 0.3]))
    assert (open_side(QUICK, DENSE), open_side(SLOW, DENSE)) == (0, 0)
    assert open_side(at_once, DENSE) == 1
    # Dense is below 5, the end of this cell, at its first evaluation.
    assert open_side((STEPS, np.array([9.0, 8.0, 7.0, 5.0])), DENSE) == -1
    # A first evaluation at the very loss is a crossing like any other.
    assert open_side((STEPS, np.array([1.0, 0.5, 0.4, 0.3])), DENSE) == 0
    rows = frame()
    rows["curve_eval_loss"] = [(DENSE if router == "dense" else at_once)[1].tolist() for router in rows["router"]]
    soft = summarise(rows).set_index("router").loc["soft"]
    # Step 100 of 400, at twice the FLOPs: at least twice.
    assert soft["compute_multiplier"] == pytest.approx(2)
    assert soft["compute_multiplier_ci_high"] == soft["time_multiplier_ci_high"] == np.inf
    assert soft["compute_multiplier_ci_low"] < 2


def with_curves(frame: pd.DataFrame, curves: list[tuple[np.ndarray, np.ndarray]], **columns: float) -> pd.DataFrame:
    return frame.assign(
        curve_eval_step=[steps.astype(int).tolist() for steps, _ in curves],
        curve_eval_loss=[losses.tolist() for _, losses in curves],
        **columns,
    )


def frame(seeds: int = 2) -> pd.DataFrame:
    """Dense, and a cell of twice the FLOPs a step and 1.5 times the time."""
    timed = {"train_step_vs_dense_ci_low": 1.47, "train_step_vs_dense_ci_high": 1.53}
    other = (STEPS, np.array([3.0, 1.0, 0.4, 0.3]))
    return table(
        with_curves(cell("dense", [0.9] * seeds), [DENSE] * seeds, flops_train_step=1e6),
        with_curves(
            cell("soft", [0.9] * seeds),
            [QUICK, other, QUICK][:seeds],
            flops_train_step=2e6,
            train_step_vs_dense=1.5,
            **timed,
        ),
    )


def test_multipliers_are_means_over_seeds_with_intervals() -> None:
    cells = summarise(frame()).set_index("router")
    soft = cells.loc["soft"]
    # Steps 180 and 200: the geometric mean of 400 / 180 and 400 / 200 is 2.108.
    steps = np.sqrt(400 / 180 * 2)
    assert soft["compute_multiplier"] == pytest.approx(steps / 2)
    assert soft["time_multiplier"] == pytest.approx(steps / 1.5)
    for name in ("compute_multiplier", "time_multiplier"):
        assert 0 < soft[f"{name}_ci_low"] < soft[name] < soft[f"{name}_ci_high"]
    wide, narrow = (np.log(soft[f"{name}_ci_high"] / soft[name]) for name in ("time_multiplier", "compute_multiplier"))
    # Log bounds of the ratio, log(1.53 / 1.5), and 1 % between timings beside the scatter of seeds.
    assert wide == pytest.approx(np.sqrt(narrow**2 + np.log(1.02) ** 2 + (1.959964 * 0.01) ** 2))
    assert np.isnan(cells.loc["dense", "compute_multiplier"])


def test_equal_seeds_have_an_interval_as_wide_as_the_evaluations_lie_apart() -> None:
    rows = frame()
    rows["curve_eval_loss"] = [(DENSE if router == "dense" else QUICK)[1].tolist() for router in rows["router"]]
    soft = summarise(rows).set_index("router").loc["soft"]
    assert soft["compute_multiplier_ci_low"] < soft["compute_multiplier"] < soft["compute_multiplier_ci_high"]


def test_cells_without_curves_or_without_dense_have_no_multiplier() -> None:
    assert summarise(frame(seeds=1))["compute_multiplier_ci_low"].isna().all()
    plain = frame().assign(curve_eval_step=None, curve_eval_loss=None)
    assert summarise(plain)["compute_multiplier"].isna().all()
    alone = frame()[lambda rows: rows["router"] == "soft"]
    assert summarise(alone)["compute_multiplier"].isna().all()
    nobody = multipliers(plain, [0, 0, 1, 1], pd.DataFrame(summarise(plain)), {0: 0, 1: 0}, 0.01)
    assert nobody.isna().all(axis=None)
