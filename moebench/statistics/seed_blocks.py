"""Variances over seeds that all cells share.

A seed may move all cells, or all cells of a family, alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moebench.statistics.intervals import Floats


class Variance(NamedTuple):
    """A variance and the degrees of freedom of its estimate.

    The two are NaN and 0 if nothing can be estimated.
    """

    value: float
    freedom: float

    def repeated(self, count: int) -> tuple[Floats, Floats]:
        """Return the variance and its degrees of freedom, each `count` times."""
        return np.full(count, self.value), np.full(count, self.freedom)


_UNKNOWN = Variance(np.nan, 0.0)


@dataclass(frozen=True)
class SeedVariances:
    """Variances of a table of cells by seeds, pooled over its cells."""

    within: Variance
    """Variance of a cell's values over seeds.

    Cells that share seeds scatter together, which lowers the degrees of freedom.
    """
    interaction: Variance
    """Variance of cell × seed: the rest of a cell's scatter without the moves that all cells share."""
    cell: Variance
    """Variance of cell × seed without the moves that the cells of a family share."""
    family: Variance | None
    """Mean square of family × seed, the scatter that the cells of a family share; None without such families."""
    size: float
    """Mean number of cells of a family."""

    def of_contrast(self, squares: Floats, family_squares: Floats) -> tuple[Floats, Floats]:
        """Return the variances of contrasts of cells over seeds, and their degrees of freedom.

        The variances are for one seed.

        Args:
            squares: float[contrasts], sums over cells of the squared weights.
            family_squares: float[contrasts], sums over families of the squared sum of the weights of their cells.
        """
        if self.family is None:
            return squares * self.interaction.value, np.full_like(squares, self.interaction.freedom)
        shared = family_squares / self.size
        of_family, of_cells = shared * self.family.value, np.maximum(squares - shared, 0.0) * self.cell.value
        total = of_family + of_cells
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = total**2 / (of_family**2 / self.family.freedom + of_cells**2 / self.cell.freedom)
        return total, np.where(total > 0, freedom, self.interaction.freedom)


def seed_variances(means: Floats, families: Sequence[str] | None = None) -> SeedVariances:
    """Fit cell and seed effects by least squares; return the variances around them.

    Args:
        means: float[cells, seeds], NaN for a missing seed. Cells with one seed do not contribute.
        families: for each cell the name of its family, such as its router; None if every cell is its own family.
    """
    shared, shared_freedom, rest, freedom = _squares(means)
    total = shared_freedom + freedom
    if not total:
        return SeedVariances(_UNKNOWN, _UNKNOWN, _UNKNOWN, None, 1.0)
    # Satterthwaite's degrees of freedom of a sum of independent squares.
    spread = sum(part**2 / own for part, own in ((shared, shared_freedom), (rest, freedom)) if own)
    squares = shared + rest
    within = Variance(squares / total, squares**2 / spread if spread else total)
    if not freedom:
        return SeedVariances(within, _UNKNOWN, _UNKNOWN, None, 1.0)
    interaction = Variance(rest / freedom, freedom)
    names = np.asarray(range(len(means)) if families is None else families).astype(str)
    distinct, sizes = np.unique(names, return_counts=True)
    # A cell alone has no rest: its seeds' effects are all that moves it.
    parts = [(0.0, 0.0), *(_squares(means[names == name])[2:] for name in distinct[sizes > 1])]
    of_cells, cell_freedom = (float(sum(column)) for column in zip(*parts, strict=True))
    family_freedom = freedom - cell_freedom
    if not (cell_freedom and family_freedom):
        return SeedVariances(within, interaction, interaction, None, 1.0)
    cell = Variance(of_cells / cell_freedom, cell_freedom)
    family = Variance(max(rest - of_cells, 0.0) / family_freedom, family_freedom)
    size = (len(names) - (sizes**2).sum() / len(names)) / (len(sizes) - 1)
    return SeedVariances(within, interaction, cell, family, float(size))


def seed_variances_of_pools(means: Floats, families: NDArray[np.int64], pools: NDArray[np.int64]) -> SeedVariances:
    """Return the variances of cell × seed and family × seed over several pools, by least squares.

    A seed may move all cells of a pool, or all cells of a family in all pools, alike. The variance `within` is unknown.

    Args:
        means: float[cells, seeds] of equal scatter in all pools, NaN for a missing seed.
        families: int[cells], the number of each cell's family.
        pools: int[cells], the number of each cell's pool.
    """
    seeds = means.shape[1]
    first = (int(pools.max(initial=-1)) + 1) * seeds
    width = first + (int(families.max(initial=-1)) + 1) * seeds
    normal, moves = np.zeros((width, width)), np.zeros(width)
    squares = freedom = 0.0
    for values, family, pool in zip(means, families.tolist(), pools.tolist(), strict=True):
        there = (~np.isnan(values)).astype(np.float64)
        count = there.sum()
        if count < 2:
            continue
        residuals = np.where(there > 0, values - np.nansum(values) / count, 0.0)
        own = np.diag(there) - np.outer(there, there) / count
        starts = (pool * seeds, first + family * seeds)
        for row in starts:
            moves[row : row + seeds] += residuals
            for column in starts:
                normal[row : row + seeds, column : column + seeds] += own
        squares += float((residuals**2).sum())
        freedom += float(count - 1)
    inner = normal[:first, :first]
    (inverse, rank), (inverse_of_all, rank_of_all) = _inverse_and_rank(inner), _inverse_and_rank(normal)
    of_pools = float(moves[:first] @ inverse @ moves[:first])
    of_all = min(float(moves @ inverse_of_all @ moves), squares)
    rest, rest_freedom = squares - of_all, freedom - rank_of_all
    shared, shared_freedom = max(of_all - of_pools, 0.0), rank_of_all - rank
    if not rest_freedom + shared_freedom:
        return SeedVariances(_UNKNOWN, _UNKNOWN, _UNKNOWN, None, 1.0)
    interaction = Variance((rest + shared) / (rest_freedom + shared_freedom), rest_freedom + shared_freedom)
    if not (rest_freedom and shared_freedom):
        return SeedVariances(_UNKNOWN, interaction, interaction, None, 1.0)
    left = normal[first:, first:] - normal[first:, :first] @ inverse @ normal[:first, first:]
    return SeedVariances(
        _UNKNOWN,
        interaction,
        Variance(rest / rest_freedom, rest_freedom),
        Variance(shared / shared_freedom, shared_freedom),
        float(np.trace(left)) / shared_freedom,
    )


def _squares(means: Floats) -> tuple[float, float, float, float]:
    """Return the sums of squares of shared seed effects and of the rest.

    Each sum comes with its degrees of freedom.
    """
    present = ~np.isnan(means)
    several = present.sum(axis=1) >= 2
    there = present[several].astype(np.float64)
    counts = there.sum(axis=1)
    if not len(counts):
        return 0.0, 0.0, 0.0, 0.0
    residuals = np.where(present[several], means[several] - np.nanmean(means[several], axis=1, keepdims=True), 0.0)
    # The seed effects solve the normal equations that remain once the cell effects are eliminated.
    normal = np.diag(there.sum(axis=0)) - there.T @ (there / counts[:, None])
    moves = residuals.sum(axis=0)
    squares = float((residuals**2).sum())
    inverse, rank = _inverse_and_rank(normal)
    shared = min(float(moves @ inverse @ moves), squares)
    rest = squares - shared
    return shared, rank, rest if rest > 1e-12 * squares else 0.0, float((counts - 1).sum()) - rank


def _inverse_and_rank(normal: Floats) -> tuple[Floats, float]:
    """Return the pseudoinverse of a symmetric, positive semidefinite matrix, and its rank."""
    if not normal.size:
        return normal, 0.0
    values, vectors = np.linalg.eigh(normal)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T, float(kept.sum())
