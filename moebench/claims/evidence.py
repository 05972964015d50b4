"""The evidence for a claim: an effect with its error, before any correction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scipy import special

from moebench.statistics import Contrast, Interval, smallest_detectable


class Undecidable(Exception):
    """An error for rows that cannot decide a claim.

    The text is a reason that completes `undecided: …`.
    """


@dataclass(frozen=True)
class Evidence:
    """The evidence of rows for one claim."""

    method: str
    value: float
    """The effect: a difference, a slope, or the logarithm of a ratio of times."""
    error: float
    freedom: float
    sign: float
    """1 if larger effects support the claim, -1 if smaller ones do."""
    pairs: int
    """Pairs of cells, or lines, behind the effect."""
    seeds: int
    images: int = 0
    """Test images by which cells were paired; 0 if cells were paired by seed alone."""
    null: float = 0.0
    """The effect that separates effects for the claim from effects against the claim."""
    per: str = ""
    """Change of the input that the effect belongs to; empty for a difference."""
    note: str = ""
    exact_p_value: float | None = None
    """The p-value of a test that is not Student's."""
    contrast: Contrast | None = None
    """The contrast of cells that is the effect; None for times and for divergence."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Seeds that failed, by status."""
    doubtful: int = 0
    """Diverged seeds of the side that comes out better: with them it might not."""

    @classmethod
    def from_contrast(
        cls,
        contrast: Contrast,
        method: str,
        sign: float,
        pairs: int,
        *,
        images: int,
        null: float = 0.0,
        per: str = "",
        note: str = "",
    ) -> "Evidence":
        """Return the evidence of a contrast of cells.

        Args:
            contrast: the contrast, which is the effect.
            method: name of the method.
            sign: 1 if larger effects support the claim, -1 if smaller ones do.
            pairs: pairs of cells, or lines, behind the effect.
            images: test images by which cells were paired.
            null: boundary of the claim.
            per: change of the input that the effect belongs to.
            note: remark on the method.

        Raises:
            Undecidable: the contrast has no error, because the cells share too few seeds.
        """
        if not contrast.error >= 0:
            raise Undecidable("the cells share fewer than two seeds")
        if contrast.by_image is None:
            images = 0
        numbers = contrast.value, contrast.error, contrast.freedom
        return cls(method, *numbers, sign, pairs, contrast.seeds, images, null, per, note, None, contrast)

    @property
    def p_value(self) -> float:
        """Two-sided p-value for an effect of `null`, not corrected."""
        if self.exact_p_value is not None:
            return self.exact_p_value
        if self.error == 0:
            return float(self.value == self.null)
        return 2 * float(special.stdtr(self.freedom, -abs(self.value - self.null) / self.error))

    @property
    def speaks_for(self) -> bool:
        """Whether the effect lies on the claim's side of `null`."""
        return (self.value - self.null) * self.sign > 0

    def interval(self, level: float) -> Interval:
        """Return the effect with its interval."""
        half = float(special.stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return Interval(self.value, self.value - half, self.value + half)

    def detectable(self, level: float) -> float:
        """Return the distance from `null` that a test at `level` finds with 80 % power."""
        return smallest_detectable(self.error, self.freedom, level)
