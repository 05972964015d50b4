"""Intervals of medians, of means over seeds, and of proportions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from moebench.errors import BadInput

Floats = NDArray[np.float64]


_ROUNDING = 1e-12
"""Relative rounding error of a mean."""


class Interval(NamedTuple):
    """An estimate and the bounds of its interval, in the samples' unit.

    The bounds are NaN if there is no interval.
    """

    value: float
    low: float
    high: float


def median_interval(samples: ArrayLike, level: float = 0.95) -> Interval:
    """Return the median of samples and its order-statistic interval, which assumes no distribution.

    The interval lies between the d-th smallest and the d-th largest sample, for the largest d at which the interval
    covers the median with probability `level`, moved inwards by interpolation between d and d + 1 as that probability
    exceeds `level` (Hettmansperger and Sheather, 1986, Statistics & Probability Letters 4:75-79). The interval of fewer
    than six samples goes from the smallest to the largest and covers less than 95 %.

    Args:
        samples: float[n], infinity for missed targets.
        level: probability that the interval covers.

    Returns:
        Median and bounds; one sample has no bounds, and a NaN among the samples makes all three NaN.
    """
    ordered = np.sort(floats(samples))
    check_level(level)
    n = len(ordered)
    if n == 0 or np.isnan(ordered[-1]):
        return Interval(np.nan, np.nan, np.nan)
    middle = float(np.median(ordered))
    if n == 1:
        return Interval(middle, np.nan, np.nan)
    depths = np.arange(1, n // 2 + 1)
    inside = depths[_order_coverage(n, depths) >= level]
    if len(inside) == 0:
        return Interval(middle, float(ordered[0]), float(ordered[-1]))
    d = int(inside[-1])
    outer, inner = _order_coverage(n, np.array([d, d + 1]))
    excess = (outer - level) / (outer - inner)
    share = (n - d) * excess / (d + (n - 2 * d) * excess)
    low = _between(ordered[d - 1], ordered[d], share)
    high = _between(ordered[n - d], ordered[n - d - 1], share)
    return Interval(middle, low, high)


def _order_coverage(n: int, depth: NDArray[np.int64]) -> Floats:
    """Return the probability that the median lies between two order statistics.

    The order statistics are the `depth`-th smallest and the `depth`-th largest of n samples.
    """
    return 1 - 2 * np.asarray(special.bdtr(depth - 1, n, 0.5), dtype=np.float64)


def _between(start: float, end: float, share: float) -> float:
    # A weight of 0 times infinity would be NaN, and a weighted sum of equal ends need not equal them.
    return float(start if share == 0 or start == end else (1 - share) * start + share * end)


def student_intervals(
    values: Floats, groups: NDArray[np.int64], count: int, level: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Return the mean of each group and the bounds of its interval, float[count] each.

    The bounds follow from Student's t. Each group has its own scatter. A group without values has no mean. A group of
    one value, or of equal values, has no bounds, because its scatter is unknown.

    Args:
        values: float[n], without NaN.
        groups: int[n], the group of each value, from 0 to `count` - 1.
        count: number of groups.
        level: probability that an interval covers.
    """
    check_level(level)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(groups, values, count) / sizes
        variances = np.bincount(groups, (values - means[groups]) ** 2, count) / (sizes - 1)
        half = special.stdtrit(sizes - 1, (1 + level) / 2) * np.sqrt(variances / sizes)
        half[(sizes < 2) | (half <= _ROUNDING * np.abs(means))] = np.nan
    return means, means - half, means + half


def proportion_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return a share of trials and its exact interval.

    The interval is by Clopper and Pearson (1934, Biometrika 26:404-413).

    Args:
        successes: trials that succeeded.
        trials: all trials; without any, share and bounds are NaN.
        level: probability that the interval covers, at least, for any share and number.

    Raises:
        BadInput: more trials succeeded than there are, or fewer than none.
    """
    check_level(level)
    if not 0 <= successes <= trials:
        raise BadInput(f"{successes} of {trials} trials cannot have succeeded.")
    if trials == 0:
        return Interval(np.nan, np.nan, np.nan)
    failures, tail = trials - successes, (1 - level) / 2
    low = float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return Interval(successes / trials, low, high)


def floats(samples: ArrayLike) -> Floats:
    """Return samples as float[n].

    Raises:
        BadInput: the samples are no list of numbers.
    """
    try:
        values = np.asarray(samples, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"samples must be a list of numbers: {error}") from error
    if values.ndim != 1:
        raise BadInput(f"samples must be a list of numbers, not an array of {values.ndim} dimensions")
    return values


def by_stratum(samples: Floats, strata: ArrayLike | None) -> dict[str, Floats]:
    """Return the samples of each stratum, in order of appearance.

    Without strata all samples are in one stratum.

    Raises:
        BadInput: the numbers of samples and strata differ.
    """
    names = np.full(len(samples), "all") if strata is None else np.asarray(strata).astype(str)
    if len(names) != len(samples):
        raise BadInput(f"{len(samples)} samples need a stratum each, and {len(names)} are given")
    return {str(name): samples[names == name] for name in dict.fromkeys(names)}


def check_level(level: float) -> None:
    """Check the level of an interval, above all against 95 in place of 0.95.

    Raises:
        BadInput: the level is below 0.5, or not below 1.
    """
    if not 0.5 <= level < 1:
        raise BadInput(f"an interval's level must be at least 0.5 and below 1, as 0.95 is, not {level:g}")
