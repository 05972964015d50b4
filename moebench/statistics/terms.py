"""Contrasts as sums of terms, each of which needs the seeds of its own cells alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moebench.statistics.intervals import Floats


class SumOfTerms(NamedTuple):
    """A sum of terms over the seeds that each term has."""

    value: float
    """NaN if a term has no seed."""
    seeds: int
    """Seeds of the term that has fewest."""
    variance: float
    """Variance of the sum over seeds, for one seed; NaN with fewer than two seeds."""
    weights: Floats
    """Weight of each value in the sum, float[cells, seeds]."""

    def squares(self, families: NDArray[np.int64]) -> tuple[float, float]:
        """Return sums of squared weights, of cells and of families, for one seed.

        With equal seeds in all terms they are the sums of the squared weights of the cells, and of the squared sums of
        the weights of each family's cells.

        Args:
            families: int[cells], the number of each cell's family.
        """
        of_families = np.zeros((int(families.max(initial=0)) + 1, self.weights.shape[1]))
        np.add.at(of_families, families, self.weights)
        return float(self.seeds * (self.weights**2).sum()), float(self.seeds * (of_families**2).sum())


def sum_of_terms(means: Floats, terms: Floats) -> SumOfTerms:
    """Return a sum of terms; a seed counts in each term whose cells all have it.

    Means over seeds are taken term by term, so that terms of different size do not look like a scatter of seeds.

    Args:
        means: float[cells, seeds], NaN for a missing seed.
        terms: float[terms, cells], the weights of the cells in each term.
    """
    series = np.stack([term[term != 0] @ means[term != 0] for term in terms])
    present = ~np.isnan(series)
    counts = present.sum(axis=1).astype(np.float64)
    seeds = int(counts.min())
    if not seeds:
        return SumOfTerms(float("nan"), 0, float("nan"), np.zeros_like(means))
    centres = np.nansum(series, axis=1) / counts
    shares = present / counts[:, None]
    moves = seeds * (shares * np.where(present, series - centres[:, None], 0.0)).sum(axis=0)
    variance = float((moves**2).sum()) / (seeds - 1) if seeds > 1 else float("nan")
    return SumOfTerms(float(centres.sum()), seeds, variance, terms.T @ shares)
