"""Intervals of many sets of samples at once, for result tables of thousands of cells."""

import numpy as np
from scipy import special

from moebench.statistics.intervals import Floats

_AT_ONCE = 2_000_000
"""Numbers held at a time while sets are resampled."""


def mean_intervals(
    samples: Floats, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """The mean of each row of `samples`, float[sets, n], and its interval, three float[sets].

    Each is what `mean_interval` gives for the row by itself, to rounding: it, too, draws the same resamples for every
    set. A few samples give few different resamples, 10 for three of them, so that each is worked out once and counts as
    often as it is drawn. One sample has no bounds; a row with a NaN or an infinite sample has none either.
    """
    sets, n = samples.shape
    means = samples.mean(axis=1)
    low, high = np.full(sets, np.nan), np.full(sets, np.nan)
    if n < 2 or sets == 0:
        return means, low, high
    drawn = np.sort(np.random.default_rng(seed).integers(0, n, (resamples, n)), axis=1)
    different, often = np.unique(drawn, axis=0, return_counts=True)
    scale = np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, (1 + level) / 2) / special.ndtri((1 + level) / 2)
    step = max(1, _AT_ONCE // different.size)
    for start in range(0, sets, step):
        part = slice(start, start + step)
        residuals = samples[part] - means[part, None]
        moves = scale * residuals[:, different].mean(axis=-1)
        order = np.argsort(moves, axis=1)
        ordered, reached = np.take_along_axis(moves, order, axis=1), np.cumsum(often[order], axis=1)
        low[part] = means[part] + _quantile(ordered, reached, (1 - level) / 2)
        high[part] = means[part] + _quantile(ordered, reached, (1 + level) / 2)
    return means, low, high


def _quantile(ordered: Floats, reached: np.ndarray, q: float) -> Floats:
    """A quantile of each row, the i-th value of `ordered` being there up to the `reached[i]`-th place; as numpy's."""
    place = q * (reached[0, -1] - 1)
    below, above = (_value_at(ordered, reached, int(bound)) for bound in (np.floor(place), np.ceil(place)))
    between: Floats = below + (above - below) * (place % 1)
    return between


def _value_at(ordered: Floats, reached: np.ndarray, place: int) -> Floats:
    first = (reached <= place).sum(axis=1)
    values: Floats = np.take_along_axis(ordered, first[:, None], axis=1)[:, 0]
    return values
