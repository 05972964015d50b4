"""Scatter between two timings of a program.

An interval within one timing does not include this scatter.
"""

from collections.abc import Sequence

import numpy as np

DEFAULT_SCATTER = 0.01
"""Standard deviation of a log time ratio between timings on an unknown machine."""
FEWEST_TIMINGS = 5
"""Timings, beyond the first of each program, from which their scatter can be estimated."""


def timing_scatter(
    repeats: Sequence[Sequence[tuple[float, float]]], known: Sequence[tuple[float, float]] = ()
) -> float | None:
    """Return the standard deviation of the log time ratio between timings of one program.

    Args:
        repeats: for each program its timings, each a log ratio with its standard error within the timing. A program
            that was timed once does not contribute.
        known: timings of a program against itself, whose true log ratio is 0.

    Returns:
        The deviation beyond the errors within timings, pooled over programs; None for fewer than `FEWEST_TIMINGS`
        degrees of freedom.
    """
    groups = [np.array(group, dtype=np.float64) for group in repeats if len(group) > 1]
    squares = [((group[:, 0] - group[:, 0].mean()) ** 2).sum() for group in groups]
    within = [(1 - 1 / len(group)) * (group[:, 1] ** 2).sum() for group in groups]
    squares += [ratio**2 for ratio, _ in known]
    within += [error**2 for _, error in known]
    freedom = sum(len(group) - 1 for group in groups) + len(known)
    return float(np.sqrt(max(sum(squares) - sum(within), 0.0) / freedom)) if freedom >= FEWEST_TIMINGS else None
