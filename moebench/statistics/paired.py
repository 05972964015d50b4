"""Test paired samples, in which a disturbance affects both samples of a pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from moebench.errors import BadInput
from moebench.statistics.comparison import RatioTest
from moebench.statistics.intervals import Floats, Interval, check_level, floats

_EXACT = 25
"""Pairs up to which the null distribution of the signed-rank statistic is enumerated."""


@dataclass(frozen=True)
class SignedRank(RatioTest):
    """Wilcoxon's signed-rank test; the estimate is the median of all geometric means of two ratios."""

    w: float
    """Sum of the ranks of |log ratio| of pairs with a larger A, ties counting half."""
    samples: int


def pseudo_median(samples: ArrayLike) -> float:
    """Return Hodges' and Lehmann's middle of samples, float[n] above 0.

    The middle is the median of all geometric means of two samples. `signed_rank` estimates this middle. If samples form
    two clusters, the middle lies between the clusters, whereas the median lies in the larger cluster.
    """
    return float(np.exp(np.median(_walsh_averages(np.log(floats(samples))))))


def signed_rank(ratios: ArrayLike, *, level: float = 0.95) -> SignedRank:
    """Test whether A differs from B, by the ratios of samples taken in pairs.

    The interval contains the ratios by which B could be multiplied without a significant difference at 1 - `level`.
    Fewer than six pairs are never significant at 95 %, and the bounds are then NaN. Unlike in `mann_whitney`, a
    disturbance of both samples of a pair cancels.

    Args:
        ratios: float[n] above 0, A over B.
        level: probability that the interval covers.

    Raises:
        BadInput: there is no pair, or a ratio is no finite number above 0.
    """
    from scipy.stats import wilcoxon  # takes longer to import than all other modules

    check_level(level)
    pairs = floats(ratios)
    if len(pairs) == 0:
        raise BadInput("nothing to compare: there is no pair of samples")
    good = np.isfinite(pairs) & (pairs > 0)
    if not good.all():
        raise BadInput(f"ratios of paired samples must be finite numbers above 0, and one is {pairs[~good][0]:g}")
    logs = np.log(pairs)
    walsh = _walsh_averages(logs)
    depth = _depth(len(logs), level)
    low, high = (walsh[depth - 1], walsh[-depth]) if depth > 0 else (np.nan, np.nan)
    # A pair without a difference has no sign; if all pairs are such pairs, there is no difference at all.
    p_value = float(wilcoxon(logs, zero_method="zsplit").pvalue) if logs.any() else 1.0
    above = float((walsh > 0).sum() + (walsh == 0).sum() / 2)
    return SignedRank(Interval(*(float(np.exp(x)) for x in (np.median(walsh), low, high))), p_value, above, len(logs))


def _walsh_averages(logs: Floats) -> Floats:
    return np.sort((logs[:, None] + logs[None, :])[np.triu_indices(len(logs))] / 2)


def _depth(n: int, level: float) -> int:
    """Return the largest d whose d-th Walsh averages bound an interval of `level`, or 0.

    The averages are the d-th smallest and the d-th largest.
    """
    tail = (1 - level) / 2 + 1e-12
    if n <= _EXACT:
        below = np.cumsum(_null_counts(n)) / 2.0**n
        return int(np.searchsorted(below, tail, side="right"))
    spread = np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return max(0, int(n * (n + 1) / 4 - 0.5 + special.ndtri(tail) * spread))


def _null_counts(n: int) -> Floats:
    """Return how many choices of signs have each value of the statistic.

    There are 2ⁿ choices. The result is float[n(n + 1)/2 + 1], for the statistics 0, 1, 2, ….
    """
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] = counts[rank:] + counts[: len(counts) - rank]
    return counts
