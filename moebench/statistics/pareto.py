"""The Pareto front and the probability of each cell to be on it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moebench.errors import BadInput, unknown
from moebench.statistics.crossed import over_seeds, pooled
from moebench.statistics.intervals import Floats
from moebench.statistics.seed_blocks import seed_variances
from moebench.statistics.steps import smallest_step

if TYPE_CHECKING:
    import pandas as pd


def pareto_front(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Return which points no other point beats; less is better on both axes.

    The points are float[..., points] on each axis. A point is beaten by one that is at least equal on both axes and
    better on one, so that equal points share the front. A point with a NaN is not on the front and beats no point.
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
    draws: int = 2_000,
    seed: int = 0,
) -> "pd.DataFrame":
    """Return the probability of each cell to lie on the frame's Pareto front.

    The front is that of all cells of the frame. Points move by Student's t with their standard errors: that of a cost
    `x` from the cell's own seeds, that of a quality `y` from the scatter of all cells, with seeds as blocks. If the
    frame has lists `NAME_samples` beside an axis `NAME`, as for measured times, the point moves on this axis as the
    median of resampled samples.

    Args:
        frame: one row for each cell and `seed`; rows that lack x or y are left out.
        x: column of the cost.
        y: column of the quality.
        cell: column that identifies cells.
        x_higher_is_better: whether more of `x` is better.
        y_higher_is_better: whether more of `y` is better.
        draws: number of random moves of the points.
        seed: seed of the moves.

    Returns:
        One row for each cell, in order of appearance: the column `cell`; `x` and `y`, the means; `seeds`, the number of
        rows behind the means; `on_front`, of the means; and `probability`, NaN for a cell of fewer than two seeds. A
        cell without a point has NaN as its mean and is not on the front.

    Raises:
        BadInput: the frame lacks a column, or has no rows.
    """
    import pandas as pd

    for column in (cell, "seed", x, y):
        if column not in frame:
            raise unknown("column", column, map(str, frame.columns))
    if frame.empty:
        raise BadInput("a Pareto front needs cells, and the table has no rows")
    names = frame[cell].drop_duplicates().tolist()
    known = frame.dropna(subset=[x, y]).drop_duplicates([cell, "seed"], keep="last")
    rng = np.random.default_rng(seed)
    signs = (-1.0 if x_higher_is_better else 1.0), (-1.0 if y_higher_is_better else 1.0)
    axes = []
    for column, shared in ((x, False), (y, True)):
        values = known.pivot_table(index=cell, columns="seed", values=column).reindex(names).to_numpy(np.float64)
        means, moved = _moves(values, shared, draws, rng)
        for place, samples in _timed(known, cell, names, column):
            moved[:, place] = np.median(rng.choice(samples, (draws, len(samples))), axis=1)
        axes.append((means, moved))
    (across, x_moved), (up, y_moved) = axes
    chance = pareto_front(x_moved * signs[0], y_moved * signs[1]).mean(axis=0)
    seeds = known.groupby(cell).size().reindex(names, fill_value=0).to_numpy()
    chance[seeds < 2] = np.nan
    on_front = pareto_front(across * signs[0], up * signs[1])
    return pd.DataFrame(
        {cell: names, "x": across, "y": up, "seeds": seeds, "on_front": on_front, "probability": chance}
    )


def _moves(values: Floats, shared: bool, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the mean of each cell, and `draws` moved means, float[draws, cells].

    The mean of one seed does not move.

    Args:
        values: float[cells, seeds].
        shared: whether seeds are blocks that the cells share.
        draws: number of moves.
        rng: generator of the moves.
    """
    counts, means, variance = over_seeds(values)
    freedom = counts - 1
    if shared:
        least = np.full(len(counts), smallest_step(values[~np.isnan(values)]) ** 2 / 12)
        pool = seed_variances(values).interaction
        variance, freedom = pooled(
            variance, freedom, np.full(len(counts), pool.value), np.full(len(counts), pool.freedom), least
        )
        variance = np.fmax(variance, least)
    movable = (counts > 1) & np.isfinite(variance)
    errors = np.sqrt(np.where(movable, variance, 0.0) / np.maximum(counts, 1))
    moved: Floats = means + errors * rng.standard_t(
        np.where(movable, np.maximum(freedom, 1.0), 1.0), (draws, len(means))
    )
    return means, moved


def _timed(known: "pd.DataFrame", cell: str, names: list[object], column: str) -> list[tuple[int, Floats]]:
    """Return position and samples of each cell whose values are medians of samples."""
    if f"{column}_samples" not in known:
        return []
    # The seeds of a cell share its timing, so that the first list has all samples.
    lists = known.dropna(subset=[f"{column}_samples"]).groupby(cell)[f"{column}_samples"].first()
    return [(names.index(name), np.asarray(taken, dtype=np.float64)) for name, taken in lists.items() if len(taken)]
