"""Corrections for many comparisons.

With a correction, one false positive in a whole family is as rare as in one test.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from moebench.statistics.intervals import Floats, check_level, floats


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values, float[n], corrected for their number by Holm's method (1979).

    The smallest is multiplied by n, the next by n - 1, and so on, and none is below the one before. A NaN stays NaN and
    does not count.
    """
    p = floats(p_values)
    corrected = np.full_like(p, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return corrected


@lru_cache(maxsize=256)
def tukey_critical(cells: int, freedom: float, level: float = 0.95) -> float:
    """Return the significant difference of two of many cells, in standard errors (Tukey).

    A choice of two cells after seeing all cells compares all pairs: the largest of their differences follows the
    studentised range.

    Args:
        cells: number of cells, two or more.
        freedom: degrees of freedom of the standard error that the differences share.
        level: probability of no false positive among all pairs.
    """
    from scipy.stats import studentized_range  # takes longer to import than all other modules

    check_level(level)
    return float(studentized_range.ppf(level, cells, freedom) / np.sqrt(2))
