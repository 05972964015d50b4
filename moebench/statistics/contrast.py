"""Differences and other contrasts between cells, with their errors.

The errors are for new seeds and new test images.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from moebench.statistics.detectable import POWER, smallest_detectable
from moebench.statistics.intervals import Floats, Interval, check_level
from moebench.statistics.seed_blocks import Variance

MOST_FREEDOM = 1e6


@dataclass(frozen=True)
class Contrast:
    """A sum of cell means whose weights add up to 0.

    Examples are a difference and a slope.
    """

    value: float
    seeds: int
    """Seeds that all cells of the contrast share; of several pairs, the seeds of the pair that has fewest."""
    by_seed: Variance
    """Variance of the contrast over seeds, for one seed."""
    noise: float
    """Lower limit of `by_seed`: the variance of a mean under one seed that single images cause."""
    by_image: float | None
    """Variance that more seeds do not reduce, because the test images are a sample; None if images are unknown."""

    @property
    def error(self) -> float:
        """Standard error; NaN with fewer than two seeds."""
        return float(self._student[0])

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the standard error."""
        return float(self._student[1])

    @property
    def _student(self) -> tuple[Floats, Floats]:
        numbers = (self.seeds, *self.by_seed, self.noise, self.by_image or 0.0)
        return errors(*(np.array(float(number)) for number in numbers))

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of a true contrast of `null`.

        The p-value is NaN with fewer than two seeds.
        """
        if self.error == 0:
            return float(self.value == null)
        return 2 * float(special.stdtr(self.freedom, -abs(self.value - null) / self.error))

    def interval(self, level: float = 0.95) -> Interval:
        """Return the contrast with its interval by Student's t."""
        check_level(level)
        half = float(special.stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return Interval(self.value, self.value - half, self.value + half)

    def detectable(self, level: float = 0.05, wanted: float = POWER) -> float:
        """Return the true contrast that a test at `level` finds with the probability `wanted`."""
        return smallest_detectable(self.error, self.freedom, level, wanted)

    def scaled(self, factor: float) -> "Contrast":
        """Return the contrast times a number above 0."""
        by_image = None if self.by_image is None else factor**2 * self.by_image
        by_seed = Variance(factor**2 * self.by_seed.value, self.by_seed.freedom)
        return Contrast(factor * self.value, self.seeds, by_seed, factor**2 * self.noise, by_image)

    def with_seeds(self, seeds: int) -> "Contrast":
        """Return the contrast that another number of seeds, in all cells, would give."""
        freedom = self.by_seed.freedom * (seeds - 1) / max(self.seeds - 1, 1)
        return Contrast(self.value, seeds, Variance(self.by_seed.value, freedom), self.noise, self.by_image)


def errors(seeds: Floats, variance: Floats, freedom: Floats, noise: Floats, images: Floats) -> tuple[Floats, Floats]:
    """Return standard errors and their degrees of freedom, one for each contrast.

    The variance over seeds is at least the noise of single images. The degrees of freedom are Hillis' (2007, Statistics
    in Medicine 26:596-619): those of the variance over seeds, and more as the part of the images grows. If the noise is
    the larger of the two, the uncertain part is halfway between them: with two cells of three seeds the variance itself
    would give 6.5 % of false positives, the noise 0.6 %, and halfway gives at most 5.2 %.

    Args:
        seeds: number of seeds.
        variance: variance of a contrast over seeds, for one seed.
        freedom: degrees of freedom of `variance`.
        noise: lower limit of `variance`.
        images: variance that does not shrink with seeds.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        by_seed = np.fmax(variance, noise) / seeds
        total = by_seed + images
        uncertain = (variance / seeds + by_seed) / 2
        found = np.minimum(total**2 * freedom / uncertain**2, MOST_FREEDOM)
    error: Floats = np.sqrt(np.where(seeds < 2, np.nan, total))
    return error, np.where(uncertain > 0, found, np.where(total > 0, MOST_FREEDOM, freedom))
