"""Tests of measured times, or of other positive samples, of A against B, with verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from moebench.errors import BadInput
from moebench.statistics.detectable import smallest_detectable
from moebench.statistics.intervals import Floats, Interval, check_level, floats

FEW_SAMPLES = 9
"""Samples on a side below which a verdict is weak, and is reported as such."""
_EXACT = 25
"""Samples on the larger side up to which the null distribution of U is enumerated."""


@dataclass(frozen=True)
class RatioTest:
    """The ratio of A to B, and the probability of such a ratio by chance."""

    ratio: Interval
    """A over B: Hodges' and Lehmann's estimate, with the interval of the test."""
    p_value: float
    """Two-sided; exact for small samples without ties."""

    def verdict(self, p_value: float, smallest_effect: float, level: float = 0.95) -> str:
        """Return the verdict on A: `higher`, `lower`, `not significant`, or `no difference that matters`.

        A is higher or lower if the p-value is below 1 - `level`, unless the whole interval of the ratio lies within
        `smallest_effect` of 1.

        Args:
            p_value: the p-value of the test, corrected if several comparisons are made.
            smallest_effect: the smallest ratio, less 1, that matters.
            level: 1 less the level of the test.
        """
        if self.ratio.low > 1 / (1 + smallest_effect) and self.ratio.high < 1 + smallest_effect:
            return "no difference that matters"
        if not p_value < 1 - level:
            return "not significant"
        return "higher" if self.ratio.value > 1 else "lower"

    def detectable(self, level: float = 0.05) -> float:
        """Return the ratio, less 1, that a test at `level` finds with 80 % power."""
        spread = (np.log(self.ratio.high) - np.log(self.ratio.low)) / (2 * float(special.ndtri(0.975)))
        return float(np.expm1(smallest_detectable(float(spread), np.inf, level)))

    def scattered(self, scatter: float, level: float = 0.95) -> "RatioTest":
        """Return the test with the scatter between timings.

        The samples of one timing cannot show this scatter. The scatter within a timing is computed from the interval,
        and the sum of both is assumed to be normal.

        Args:
            scatter: standard deviation of the log ratio of A to B between timings.
            level: probability that the interval covers.
        """
        z = float(special.ndtri((1 + level) / 2))
        spread = np.hypot((np.log(self.ratio.high) - np.log(self.ratio.low)) / (2 * z), scatter)
        return log_normal_test(float(np.log(self.ratio.value)), float(spread), level)


def log_normal_test(log_ratio: float, spread: float, level: float = 0.95) -> RatioTest:
    """Return the test of a normal log ratio.

    Args:
        log_ratio: the estimate.
        spread: its standard deviation; 0 makes the ratio certain.
        level: probability that the interval covers.
    """
    bounds = log_ratio + spread * special.ndtri([(1 - level) / 2, (1 + level) / 2])
    p_value = float(log_ratio == 0) if spread == 0 else 2 * float(special.ndtr(-abs(log_ratio) / spread))
    return RatioTest(Interval(*(float(np.exp(x)) for x in (log_ratio, *bounds))), p_value)


def geometric_mean_test(tests: Sequence[RatioTest], *, independent: bool, level: float = 0.95) -> RatioTest:
    """Return the geometric mean of several ratios as one test.

    Args:
        tests: the tests of single cells.
        independent: whether the tests share no side. The error of a shared side, such as one dense cell that many
            routers are compared with, is in all of the tests and does not average out.
        level: probability that the interval covers.

    Raises:
        BadInput: there is no test.
    """
    if not tests:
        raise BadInput("there is no ratio to take the geometric mean of")
    logs = np.log([test.ratio for test in tests])
    spreads = (logs[:, 2] - logs[:, 1]) / (2 * float(special.ndtri((1 + level) / 2)))
    spread = np.sqrt((spreads**2).sum()) / len(tests) if independent else spreads.mean()
    return log_normal_test(float(logs[:, 0].mean()), float(spread), level)


@dataclass(frozen=True)
class MannWhitney(RatioTest):
    """The test of two independent samples.

    The estimate is the median of all ratios of a sample of A to one of B.
    """

    u: float
    """Pairs in which the sample of A is the larger, ties counting half."""
    samples: tuple[int, int]


def mann_whitney(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> MannWhitney:
    """Compare two independent samples.

    The interval contains the ratios by which B could be multiplied without a significant difference at 1 - `level`. If
    there are too few samples for any significant difference (three against three at 95 %), the bounds are NaN.

    Args:
        a: float[n] above 0, infinity for a missed target.
        b: float[m] above 0, infinity for a missed target.
        level: probability that the interval covers.

    Raises:
        BadInput: a side has no sample, a NaN, or a sample that is not above 0.
    """
    from scipy.stats import mannwhitneyu  # takes longer to import than all other modules

    check_level(level)
    x, y = floats(a), floats(b)
    for side, values in (("A", x), ("B", y)):
        if len(values) == 0:
            raise BadInput(f"nothing to compare: {side} has no sample")
        if not (values > 0).all():
            raise BadInput(f"samples to compare must be numbers above 0, and {side} has {values[~(values > 0)][0]:g}")
    test = mannwhitneyu(x, y, alternative="two-sided")
    ratios = _sorted_ratios(x, y)
    depth = _depth(len(x), len(y), level)
    low, high = (ratios[depth - 1], ratios[-depth]) if depth > 0 else (np.nan, np.nan)
    # For an even number the geometric mean of the middle two, so that B over A is the reciprocal.
    middle = np.sqrt(ratios[(len(ratios) - 1) // 2] * ratios[len(ratios) // 2])
    ratio = Interval(float(middle), float(low), float(high))
    return MannWhitney(ratio, float(test.pvalue), float(test.statistic), (len(x), len(y)))


def _sorted_ratios(x: Floats, y: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        ratios = np.divide.outer(x, y).ravel()
    ratios[np.isnan(ratios)] = 1.0  # both missed the target: neither is larger
    return np.sort(ratios)


def _depth(n: int, m: int, level: float) -> int:
    """Return the largest d whose d-th pairs bound an interval of `level`, or 0.

    The pairs are the d-th smallest and the d-th largest.

    Args:
        n: samples of A.
        m: samples of B.
        level: probability that the interval covers.
    """
    tail = (1 - level) / 2 + 1e-12  # 0.1 / 2 is a little less than 1 / 20
    if max(n, m) <= _EXACT:
        below = np.cumsum(_null_counts(n, m)) / special.binom(n + m, n)
        return int(np.searchsorted(below, tail, side="right"))
    spread = np.sqrt(n * m * (n + m + 1) / 12)
    return max(0, int(n * m / 2 - 0.5 + special.ndtri(tail) * spread))


@cache
def _null_counts(n: int, m: int) -> Floats:
    """Return how many orders of two samples have each value of U.

    The samples have n and m values. The result is float[n·m + 1], for U = 0, 1, 2, …. The numbers are Gaussian binomial
    coefficients.
    """
    counts = np.zeros(n * m + 1)
    counts[0] = 1
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, n * m + 1):
            counts[u] += counts[u - i]
    return counts
