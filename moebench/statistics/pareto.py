"""The Pareto front, with doubt: which cells are on it, and how surely."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moebench.errors import BadInput, unknown
from moebench.statistics.intervals import Floats, corrected_moves

if TYPE_CHECKING:
    import pandas as pd


def pareto_front(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """bool[..., points]: which points no other one beats, less being better on both axes, float[..., points].

    A point is beaten by one that is as good on both axes and better on one; equal points stand together. A point
    with a NaN is not on the front and beats none.
    """
    front = ~(np.isnan(x) | np.isnan(y))
    for i in range(x.shape[-1]):
        as_good = (x <= x[..., i : i + 1]) & (y <= y[..., i : i + 1])
        better = (x < x[..., i : i + 1]) | (y < y[..., i : i + 1])
        front[..., i] &= ~(as_good & better).any(axis=-1)
    return front


def pareto_probability(
    frame: "pd.DataFrame",
    x: str,
    y: str,
    *,
    cell: str = "cell_id",
    x_higher_is_better: bool = False,
    y_higher_is_better: bool = True,
    resamples: int = 2_000,
    seed: int = 0,
) -> "pd.DataFrame":
    """How probably each cell lies on the Pareto front of columns `x` and `y`; all cells of `frame` compete.

    `frame` has one row for each cell and seed. A cell's point is the mean of its rows, those that lack `x` or `y`
    left out. The points move as their intervals say they may: on each axis a cell's seeds are resampled, both axes
    together, with the corrections of `mean_interval`; an axis `NAME` beside which the frame has the lists
    `NAME_samples`, as measured times have, moves by resampling these and taking their median.

    Returns one row for each cell, in order of appearance: the column `cell`, `x` and `y` (the point), `seeds` (rows
    behind it), `on_front` (of the points as they are), and `probability`, NaN for a cell of fewer than two seeds.
    A cell without a point has NaN for it, competes with none and is not on the front. A column that the frame lacks
    raises `BadInput`.
    """
    import pandas as pd

    for column in (cell, x, y):
        if column not in frame:
            raise unknown("column", column, map(str, frame.columns))
    if frame.empty:
        raise BadInput("a Pareto front needs cells, and the table has no rows")
    signs = (-1.0 if x_higher_is_better else 1.0), (-1.0 if y_higher_is_better else 1.0)
    rng = np.random.default_rng(seed)
    names, points, draws, seeds = [], [], [], []
    for name, rows in frame.groupby(cell, sort=False):
        known = rows.dropna(subset=[x, y])
        names.append(name)
        seeds.append(len(known))
        points.append([known[axis].mean() for axis in (x, y)])
        draws.append(_draws(known, (x, y), resamples, rng))
    at, moved = np.array(points), np.array(draws)
    on_front = pareto_front(at[:, 0] * signs[0], at[:, 1] * signs[1])
    chance = pareto_front(moved[:, 0].T * signs[0], moved[:, 1].T * signs[1]).mean(axis=0)
    chance[np.array(seeds) < 2] = np.nan
    columns = {"x": at[:, 0], "y": at[:, 1], "seeds": seeds, "on_front": on_front, "probability": chance}
    return pd.DataFrame({cell: names} | columns)


def _draws(rows: "pd.DataFrame", axes: tuple[str, str], resamples: int, rng: np.random.Generator) -> Floats:
    """float[2, resamples]: where a cell's point may lie on both axes."""
    # The same resampled seeds serve both axes, so that what hangs together in a seed stays together.
    state = rng.integers(2**32)
    return np.stack([_axis_draws(rows, axis, resamples, np.random.default_rng(state)) for axis in axes])


def _axis_draws(rows: "pd.DataFrame", axis: str, resamples: int, rng: np.random.Generator) -> Floats:
    values = rows[axis].to_numpy(np.float64)
    timed = rows[f"{axis}_samples"].dropna().tolist() if f"{axis}_samples" in rows else []
    if timed:
        # The seeds of a cell share its timing, so the first list is all there is.
        samples = np.asarray(timed[0], dtype=np.float64)
        medians: Floats = np.median(rng.choice(samples, (resamples, len(samples))), axis=1)
        return medians
    if len(values) < 2:
        return np.full(resamples, values.mean() if len(values) else np.nan)
    moves = corrected_moves([values], np.ones(1), level=0.95, resamples=resamples, rng=rng)
    return moves + float(values.mean())
