"""Smallest detectable difference at a given power, and the seeds that a difference needs."""

from collections.abc import Callable

import numpy as np
from scipy import special

from moebench.errors import BadInput

POWER = 0.8
"""Probability of finding a true difference that makes it detectable."""
_NORMAL = 1e5
"""Degrees of freedom above which Student's t counts as normal."""


def power(difference: float, error: float, freedom: float, level: float = 0.05) -> float:
    """Return the probability that a two-sided t test at `level` finds a true difference.

    Args:
        difference: the true difference.
        error: standard error of its estimate.
        freedom: degrees of freedom of the standard error.
        level: probability of a false positive.
    """
    if np.isnan(error) or np.isnan(difference):
        return float("nan")
    if error == 0:
        return 1.0 if difference else level
    return _power(abs(difference) / error, freedom, level)


def _power(shift: float, freedom: float, level: float) -> float:
    critical = float(special.stdtrit(freedom, 1 - level / 2))
    if freedom > _NORMAL:
        return float(special.ndtr(shift - critical) + special.ndtr(-shift - critical))
    # SciPy gives NaN for tails too small to matter.
    wrong_side = np.nan_to_num(special.nctdtr(freedom, shift, -critical))
    return float(1 - special.nctdtr(freedom, shift, critical) + wrong_side)


def smallest_detectable(error: float, freedom: float, level: float = 0.05, wanted: float = POWER) -> float:
    """Return the true difference that a t test finds with the probability `wanted`.

    The test is two-sided, at `level`.

    Args:
        error: standard error of the estimated difference.
        freedom: degrees of freedom of the standard error.
        level: probability of a false positive.
        wanted: the power.
    """
    from scipy.optimize import brentq

    if not (np.isfinite(error) and freedom > 0):
        return float("nan")
    most = 2.0
    while _power(most, freedom, level) < wanted:
        most *= 2
    return error * float(brentq(lambda shift: _power(shift, freedom, level) - wanted, 0, most, xtol=1e-6))


def seeds_needed(
    difference: float,
    error_of: Callable[[int], tuple[float, float]],
    *,
    level: float = 0.05,
    wanted: float = POWER,
    most: int = 100,
) -> int | None:
    """Return the fewest seeds that find a true difference with the probability `wanted`.

    The number is at least two.

    Args:
        difference: the true difference.
        error_of: gives standard error and degrees of freedom for a number of seeds.
        level: probability of a false positive.
        wanted: the power.
        most: the most seeds to try; None is returned if these do not suffice.

    Raises:
        BadInput: the difference is not above 0.
    """
    if not difference > 0:
        raise BadInput(f"the difference to find must be above 0, not {difference:g}.")
    return next((n for n in range(2, most + 1) if power(difference, *error_of(n), level) >= wanted), None)
