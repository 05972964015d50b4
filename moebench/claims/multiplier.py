"""Compute multipliers: savings of compute or time to reach the dense model's test loss.

A multiplier of 1.9 means that the cell reaches the final test loss of the dense cell with 1 / 1.9 of the FLOPs of its
training. If the final loss of the cell is above that of dense, the multiplier is the reverse: the share of dense's
FLOPs with which dense reaches the final loss of the cell. With a learning rate that decays to 0, losses before the end
are higher than those of a shorter training; multipliers are therefore nearer to 1 than those of models trained for
exactly that long.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moebench.claims import timing
from moebench.statistics import Crossed

Curve = tuple[np.ndarray, np.ndarray]
"""Steps and the test losses after them, float[n] each."""
MULTIPLIERS = ("compute_multiplier", "time_multiplier")


def reached(curve: Curve, loss: float) -> float:
    """Return the step at which a test loss falls to a level.

    Losses between evaluations are interpolated linearly.

    Args:
        curve: the evaluations along a training.
        loss: the level.

    Returns:
        The step; that of the first evaluation if the loss is below the level already there; NaN if the loss never
        reaches the level.
    """
    steps, losses = curve
    below = np.flatnonzero(losses <= loss)
    if not len(below):
        return float("nan")
    at = int(below[0])
    if at == 0:
        return float(steps[0])
    share = (losses[at - 1] - loss) / (losses[at - 1] - losses[at])
    return float(steps[at - 1] + share * (steps[at] - steps[at - 1]))


def log_step_ratio(cell: Curve, dense: Curve) -> float:
    """Return the logarithm of dense's steps over a cell's steps to one test loss.

    The loss is the higher of the two final losses.
    """
    to_dense = reached(cell, dense[1][-1])
    if np.isnan(to_dense):
        return float(np.log(reached(dense, cell[1][-1]) / cell[0][-1]))
    return float(np.log(dense[0][-1] / to_dense))


def open_side(cell: Curve, dense: Curve) -> int:
    """Return 1 if the ratio of steps is a lower limit, -1 if it is an upper limit, else 0.

    A loss that lies above the first evaluation was reached at an unknown step before it.
    """
    if np.isnan(reached(cell, dense[1][-1])):
        return -1 if dense[1][0] < cell[1][-1] else 0
    return 1 if cell[1][0] < dense[1][-1] else 0


def multipliers(
    rows: pd.DataFrame, codes: Sequence[int], cells: pd.DataFrame, baselines: Mapping[int, int], scatter: float
) -> pd.DataFrame:
    """Return compute and time multipliers of cells, with 95 % intervals for new seeds.

    Seeds are paired with those of the dense cell, and their scatter is pooled over the cells of one dense cell. The
    interval of a time multiplier includes that of the times.

    Args:
        rows: result rows with the status ok.
        codes: for each row the position of its cell.
        cells: one row for each cell.
        baselines: for positions of cells the position of the dense cell that they are compared with.
        scatter: standard deviation of a log ratio of times between timings.

    Returns:
        `compute_multiplier` and `time_multiplier` with `_ci_low` and `_ci_high`, one row for each cell; NaN for cells
        without test curves, bounds NaN for one seed. A multiplier that is a lower limit has an infinite upper bound,
        and one that is an upper limit the lower bound 0.
    """
    curves = _curves(rows, codes)
    names = [f"{name}{end}" for name in MULTIPLIERS for end in ("", "_ci_low", "_ci_high")]
    found = pd.DataFrame(np.nan, index=cells.index, columns=names)
    flops = cells["flops_train_step"].to_numpy(np.float64)
    times = timing.quoted(cells, "train_step_vs_dense", scatter)
    for dense in sorted(set(baselines.values())):
        members = [cell for cell, base in baselines.items() if base == dense and cell != dense]
        seeds = sorted({seed for place, seed in curves if place == dense})
        ratios = np.full((len(members), len(seeds)), np.nan)
        sides = np.zeros((len(members), len(seeds)), dtype=np.int64)
        for at, cell in enumerate(members):
            for column, seed in enumerate(seeds):
                if (cell, seed) in curves:
                    both = curves[cell, seed], curves[dense, seed]
                    ratios[at, column], sides[at, column] = log_step_ratio(*both), open_side(*both)
        known = ~np.isnan(ratios).all(axis=1)
        if not known.any():
            continue
        places = np.array(members)[known]
        families = cells["router"].astype(str).to_numpy()[places].tolist()
        table = Crossed(ratios[known], families=families, step=_resolution(curves, dense))
        value, _, high = table.intervals()
        per_step = np.log(flops[dense] / flops[places])
        slower, upper = (np.log(times[name].to_numpy(np.float64)[places]) for name in ("value", "high"))
        for name, shift, more in (
            ("compute_multiplier", per_step, 0.0),
            ("time_multiplier", -slower, upper - slower),
        ):
            half = np.hypot(high - value, more)
            lower = np.where((sides[known] < 0).any(axis=1), -np.inf, value - half)
            upper_bound = np.where((sides[known] > 0).any(axis=1), np.inf, value + half)
            for end, logs in (("", value), ("_ci_low", lower), ("_ci_high", upper_bound)):
                found.iloc[places, names.index(f"{name}{end}")] = np.exp(logs + shift)
    return found


def _curves(rows: pd.DataFrame, codes: Sequence[int]) -> dict[tuple[int, Any], Curve]:
    """Return the test curve of each cell and seed with at least two evaluations."""
    found = {}
    columns = (rows["seed"], rows["curve_eval_step"], rows["curve_eval_loss"])
    for code, seed, steps, losses in zip(codes, *columns, strict=True):
        if isinstance(steps, (list, np.ndarray)) and isinstance(losses, (list, np.ndarray)) and len(steps) > 1:
            curve = np.asarray(steps, dtype=np.float64), np.asarray(losses, dtype=np.float64)
            if np.isfinite(curve[1]).all():
                found[code, seed] = curve
    return found


def _resolution(curves: Mapping[tuple[int, Any], Curve], dense: int) -> float:
    """Return the distance of dense's last two evaluations, as a log ratio of steps."""
    steps = next(steps for (place, _), (steps, _) in curves.items() if place == dense)
    return float(np.log(steps[-1] / steps[-2]))
