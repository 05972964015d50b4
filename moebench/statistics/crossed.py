"""One metric of several cells, each with equal seeds on equal test images.

The estimates are means, differences and contrasts. A value is modelled as cell + seed + image + cell × seed + cell ×
image + rest. Effects of seeds and images on all cells alike cancel in contrasts; the interactions are random, so that
intervals hold for new seeds and new images (crossed random effects, as in studies of many readers and many cases). The
estimator was chosen by simulation: cell × seed is pooled over the cells and is at least the noise of single images; a
contrast that scatters significantly more than the pool has its own scatter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from moebench.statistics.contrast import Contrast, errors
from moebench.statistics.image_covariance import ImageCovariance
from moebench.statistics.intervals import Floats, check_level
from moebench.statistics.seed_blocks import SeedVariances, Variance, seed_variances
from moebench.statistics.terms import sum_of_terms

HETEROGENEITY = 0.05
"""Level of the F test by which a cell or a contrast leaves the pool."""


@dataclass(frozen=True)
class Differences:
    """Differences of each cell from one cell, float[cells].

    The errors are NaN if fewer than two seeds are shared.
    """

    value: Floats
    error: Floats
    freedom: Floats

    @property
    def t(self) -> Floats:
        """Differences in standard errors; infinite for a difference without scatter."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where((self.error == 0) & (self.value == 0), 0.0, self.value / self.error)

    @property
    def p_values(self) -> Floats:
        """Two-sided p-values of no difference, not corrected."""
        found: Floats = 2 * special.stdtr(self.freedom, -np.abs(self.t))
        return found


class Crossed:
    """A metric of cells over seeds and, if known, over test images."""

    def __init__(
        self,
        means: Floats,
        images: ImageCovariance | None = None,
        *,
        families: Sequence[str] | None = None,
        step: float = 0.0,
    ) -> None:
        """Initialise the table.

        Args:
            means: float[cells, seeds], means over test images, NaN for a missing seed.
            images: covariances of these means over test images; None if values of single images are unknown.
            families: for each cell the name of its family, such as its router, whose cells a seed may move alike; None
                if every cell is its own family.
            step: resolution of a mean, such as 1/360 for the accuracy on 360 images.
        """
        self.means, self.images = means, images
        self.names = [str(name) for name in (range(len(means)) if families is None else families)]
        self.families = np.unique(np.asarray(self.names, dtype=str), return_inverse=True)[1]
        self.variances: SeedVariances = seed_variances(means, families)
        self.floor = step**2 / 12
        """Variance of a value that may lie anywhere within a step."""

    def intervals(
        self, level: float = 0.95, *, lowest: float = -np.inf, highest: float = np.inf
    ) -> tuple[Floats, Floats, Floats]:
        """Return the mean of each cell and the bounds of its interval, float[cells] each.

        The bounds follow from Student's t. The interval is for new seeds on these images. The variance is pooled over
        cells and at least that of a step; a cell that scatters significantly more has its own variance. One seed has no
        bounds.

        Args:
            level: probability that an interval covers.
            lowest: the smallest possible mean, at which bounds are clipped.
            highest: the largest possible mean.
        """
        check_level(level)
        counts, values, own = over_seeds(self.means)
        pool = self.variances.within
        with np.errstate(invalid="ignore", divide="ignore"):
            least = np.full(len(own), self.floor)
            variance, freedom = pooled(
                own, counts - 1, np.full(len(own), pool.value), np.full(len(own), pool.freedom), least
            )
            half = special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(np.fmax(variance, least) / counts)
        half[counts < 2] = np.nan
        return values, np.clip(values - half, lowest, highest), np.clip(values + half, lowest, highest)

    def contrast(self, weights: Floats) -> Contrast:
        """Return a sum of cell means.

        A seed that a cell of nonzero weight lacks is left out of the terms with this cell.

        Args:
            weights: float[cells] that add up to 0, or float[terms, cells] whose terms each add up to 0.
        """
        terms = np.atleast_2d(weights)
        total = sum_of_terms(self.means, terms)
        squares, family_squares = total.squares(self.families)
        used, all_terms = (terms != 0).any(axis=0), terms.sum(axis=0)
        own = all_terms[used]
        noise, images = of_images(self.images, lambda form: np.array([own @ form[np.ix_(used, used)] @ own]), 1)
        by_seed, freedom = self._by_seed(
            np.array([total.variance]),
            np.array([float(total.seeds)]),
            np.array([squares]),
            np.array([family_squares]),
            noise,
        )
        return Contrast(
            total.value,
            total.seeds,
            Variance(float(by_seed[0]), float(freedom[0])),
            float(noise[0]),
            None if np.isnan(images[0]) else float(images[0]),
        )

    def against(self, one: int) -> Differences:
        """Return the difference of each cell from cell number `one`."""
        seeds, values, own = over_seeds(self.means - self.means[one])
        two = np.full(len(own), 2.0)
        noise, images = of_images(
            self.images,
            lambda covariance: np.diag(covariance) + covariance[one, one] - covariance[one] - covariance[:, one],
            len(own),
        )
        variance, freedom = self._by_seed(own, seeds, two, two * (self.families != self.families[one]), noise)
        return Differences(values, *errors(seeds, variance, freedom, noise, np.nan_to_num(images)))

    def _by_seed(
        self, own: Floats, seeds: Floats, squares: Floats, family_squares: Floats, noise: Floats
    ) -> tuple[Floats, Floats]:
        """Return the variances of contrasts over seeds, for one seed, and their degrees of freedom.

        The variance is at least that of values that may lie anywhere within a step.
        """
        least = squares * self.floor
        pool, pool_freedom = self.variances.of_contrast(squares, family_squares)
        variance, freedom = pooled(own, seeds - 1, pool, pool_freedom, np.fmax(noise, least))
        return np.where(seeds > 1, np.fmax(variance, least), np.nan), freedom


def of_images(
    images: ImageCovariance | None, form: Callable[[Floats], Floats], contrasts: int
) -> tuple[Floats, Floats]:
    """Return the noise of single images, and the variance of images under every seed.

    The noise is that of contrasts under one seed. If images are unknown, the noise is 0, and the variance is NaN.

    Args:
        images: covariances of all cells; None if they are unknown.
        form: returns the contrasts of a covariance.
        contrasts: number of contrasts.
    """
    if images is None:
        return np.zeros(contrasts), np.full(contrasts, np.nan)
    same, other = form(images.same_seed), form(images.other_seed)
    # An estimate below 0 counts as 0.
    return np.fmax(same - other, 0.0), np.maximum(other, 0.0)


def over_seeds(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the number, mean and variance of the values of each row.

    Rows are float[cells, seeds]. Mean and variance are NaN if a row has too few values.
    """
    counts = (~np.isnan(values)).sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = np.where(counts > 0, np.nansum(values, axis=1) / counts, np.nan)
        variances = np.nansum((values - means[:, None]) ** 2, axis=1) / (counts - 1)
    return counts, means, np.where(counts > 1, variances, np.nan)


def pooled(
    own: Floats, own_freedom: Floats, pool: Floats, pool_freedom: Floats, least: Floats
) -> tuple[Floats, Floats]:
    """Return pooled variances and degrees of freedom, or own ones if significantly larger.

    Args:
        own: variances of single cells or contrasts over seeds.
        own_freedom: their degrees of freedom.
        pool: the same variances as all cells together estimate them.
        pool_freedom: degrees of freedom of `pool`.
        least: the smallest possible variance.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.fmax(own, least) / np.fmax(pool, least)
        apart = (special.fdtrc(own_freedom, pool_freedom, ratio) < HETEROGENEITY) & (pool_freedom > own_freedom)
    apart |= ~(pool_freedom > 0)
    return np.where(apart, own, pool), np.where(apart, own_freedom, pool_freedom)
