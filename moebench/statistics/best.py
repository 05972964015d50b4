"""Which of many cells can be told from the best of them."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from moebench.statistics.intervals import Floats
from moebench.statistics.steps import smallest_step


def p_below_best(samples: Floats, cells: NDArray[np.int64], count: int) -> Floats:
    """float[count]: for each cell, whether its mean may be that of the cell whose mean is the highest.

    Args as for `p_beside`, which says how. The p-values are not corrected. Which cell is the best was found by looking
    at all of them, so the number to correct for is that of all pairs: in simulated suites of 17 equal cells, p times
    136 then finds someone below the best in at most 5 %.
    """
    with np.errstate(invalid="ignore"):
        means = np.bincount(cells, samples, count) / np.bincount(cells, minlength=count)
    return p_beside(samples, cells, count, int(np.nanargmax(means)))


def p_beside(samples: Floats, cells: NDArray[np.int64], count: int, one: int) -> Floats:
    """float[count]: for each cell, whether its mean may be that of this one.

    Args:
        samples: float[n], the seeds of all cells together.
        cells: int[n], which cell each belongs to, from 0 to `count` - 1.
        count: how many cells there are.
        one: the cell that the others are compared with.

    Two-sided p-values of t-tests whose variance is pooled over all cells, for two or three seeds of one cell hardly
    tell how much it scatters; a cell that scatters more than the rest goes by its own. They are not corrected.

    NaN for cells of fewer than two samples, and for all if this one is one of them.
    """
    sizes = np.bincount(cells, minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(cells, samples, count) / sizes
        squares = np.bincount(cells, (samples - means[cells]) ** 2, count)
        freedom = float((sizes[sizes > 0] - 1).sum())
        # Equal values are no certainty where values move in steps, such as one test image.
        pooled = max(squares.sum() / freedom if freedom else np.nan, smallest_step(samples) ** 2 / 12)
        errors = np.fmax(squares / (sizes - 1), pooled) / sizes
        errors[sizes < 2] = np.nan
        gaps, spread = np.abs(means[one] - means), np.sqrt(errors + errors[one])
        # Without any spread a difference is certain.
        t = np.divide(gaps, spread, out=np.where(gaps > 0, np.inf, 0.0), where=spread != 0)
    found: Floats = 2 * special.stdtr(freedom, -t)
    found[np.isnan(spread)] = np.nan
    return found
