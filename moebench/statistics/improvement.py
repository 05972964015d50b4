"""The probability of improvement, averaged over cells: how often A beats B."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from moebench.errors import BadInput
from moebench.statistics.intervals import Floats, Interval, by_stratum, check_level, floats


def probability_of_improvement(
    a: ArrayLike,
    b: ArrayLike,
    a_strata: ArrayLike | None = None,
    b_strata: ArrayLike | None = None,
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
) -> Interval:
    """Return the probability that a sample of A beats one of B, with its interval.

    Ties count half. The probability is the mean over cells (Agarwal et al., 2021, arXiv:2108.13264). The usual
    interval, by resampling, fails if each of three seeds of A beats each of B: every resample has that result too, and
    the interval is [1, 1]. The interval here is therefore the set of probabilities that a score test accepts, with the
    variance of Newcombe's method 5 (2006, Statistics in Medicine 25:559-573) and a continuity correction. In simulation
    a nominal 95 % interval covers 94 to 98 % from three seeds a side on; if all of three seeds beat all of three
    others, 1/2 is not yet excluded.

    Args:
        a: float[n], samples of A.
        b: float[m], samples of B.
        a_strata: for each sample of A the name of its cell; None if all are of one cell. Samples are compared within a
            cell only.
        b_strata: for each sample of B the name of its cell.
        higher_is_better: whether the larger sample beats the smaller one.
        level: probability that the interval covers.

    Returns:
        The probability and its bounds; the bounds are NaN with one sample on a side, all three with a NaN among the
        samples.

    Raises:
        BadInput: only one side has samples of a cell.
    """
    check_level(level)
    pairs = _matched(floats(a), floats(b), a_strata, b_strata)
    wins = float(np.mean([_wins(x, y) for x, y in pairs]))
    value = wins if higher_is_better else 1 - wins
    sizes = np.array([(len(x), len(y)) for x, y in pairs], dtype=np.float64)
    if np.isnan(value) or sizes.min() < 2:
        return Interval(value, np.nan, np.nan)
    return Interval(value, _lower_bound(value, sizes, level), 1 - _lower_bound(1 - value, sizes, level))


def _wins(a: Floats, b: Floats) -> float:
    if np.isnan(a).any() or np.isnan(b).any():
        return np.nan
    return float(np.mean(np.heaviside(np.sign(a[:, None] - b[None, :]), 0.5)))


def _lower_bound(value: float, sizes: Floats, level: float) -> float:
    """Return the smallest probability that a score test accepts.

    Args:
        value: the estimate.
        sizes: float[cells, 2], samples on both sides.
        level: 1 less the level of the test.
    """
    from scipy.optimize import brentq

    pairs, mean_size, cells = sizes.prod(axis=1), sizes.mean(axis=1), len(sizes)
    reach = value - (1 / (2 * pairs)).sum() / cells**2
    z = float(special.ndtri((1 + level) / 2))

    def excess(p: float) -> float:
        spread = 1 + (mean_size - 1) * ((1 - p) / (2 - p) + p / (1 + p))
        return float(reach - p - z * np.sqrt((p * (1 - p) * spread / pairs).sum()) / cells)

    return float(brentq(excess, 0, value)) if reach > 0 else 0.0


def _matched(
    a: Floats, b: Floats, a_strata: ArrayLike | None, b_strata: ArrayLike | None
) -> list[tuple[Floats, Floats]]:
    ours, theirs = by_stratum(a, a_strata), by_stratum(b, b_strata)
    unmatched = sorted(ours.keys() ^ theirs.keys())
    if unmatched or not ours:
        which = f"one side only has samples of {', '.join(unmatched)}" if unmatched else "there are no samples"
        raise BadInput(f"nothing to compare: {which}")
    return [(ours[name], theirs[name]) for name in ours]
