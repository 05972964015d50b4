"""The number of seeds that a suite needs to find a difference, claim by claim."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from moebench.claims.claim import RATIOS, Claim
from moebench.claims.evidence import Undecidable
from moebench.claims.suite_rows import SuiteRows
from moebench.claims.verdict import LEVEL, gather
from moebench.errors import BadInput
from moebench.results.schema import column
from moebench.statistics import POWER, Contrast, Variance, seeds_needed

MOST_SEEDS = 100
DEFAULT_SCATTER = 0.006
"""Standard deviation of an accuracy over seeds without results: that of the digits at an accuracy of 97 %."""
DEFAULT_SEEDS = 3


@dataclass(frozen=True)
class Plan:
    """Seeds and images that are needed to find the difference of one claim."""

    claim: Claim
    difference: float
    """The true difference, in the unit of the metric."""
    seeds: int
    """Seeds of the results, or assumed seeds."""
    detectable: float
    """The difference that this number of seeds finds with 80 % power."""
    needed: int | None
    """The fewest seeds that find the difference with 80 % power; None above `MOST_SEEDS`."""
    images: int
    """Test images of the results; 0 if they are unknown."""
    images_needed: int | None
    """Test images without which no number of seeds finds the difference; None if the present images suffice."""
    reason: str = ""
    """Why there is no answer; empty if there is one."""


def plan(claims: Sequence[Claim], frame: pd.DataFrame | None, cells: int, difference: float) -> list[Plan]:
    """Return for each claim of a suite how many seeds find a difference.

    The level of the tests is corrected for the number of claims.

    Args:
        claims: the claims of the suite.
        frame: result rows of the suite on one kind of device, from which the scatter over seeds and images is
            estimated; None to assume that an accuracy scatters by `DEFAULT_SCATTER` over seeds.
        cells: cells of the suite, which give the degrees of freedom of an assumed scatter.
        difference: the true difference, in points for shares, otherwise in the unit of the metric.

    Raises:
        BadInput: the difference is not above 0.
    """
    if not difference > 0:
        raise BadInput(f"the difference to find must be above 0, not {difference:g}.")
    rows = None if frame is None else SuiteRows.from_frame(frame)
    level = LEVEL / max(len(claims), 1)
    return [_plan(claim, rows, frame, cells, difference, level) for claim in claims]


def _plan(
    claim: Claim, rows: SuiteRows | None, frame: pd.DataFrame | None, cells: int, difference: float, level: float
) -> Plan:
    share = claim.kind != "diverges_first" and column(claim.on).unit == "share"
    wanted = difference / 100 if share else difference
    nothing = Plan(claim, wanted, 0, float("nan"), None, 0, None)
    if claim.kind == "diverges_first":
        return _without(nothing, "seeds that diverge are counted, not measured")
    if claim.on in RATIOS:
        return _without(nothing, "seeds share one timing")
    if rows is None or frame is None:
        if not share:
            return _without(nothing, "the scatter is unknown before there are results")
        freedom = float((max(cells, 2) - 1) * (DEFAULT_SEEDS - 1))
        variance = Variance(2 * DEFAULT_SCATTER**2, freedom)
        return _of_contrast(claim, Contrast(0.0, DEFAULT_SEEDS, variance, 0.0, None), 0, wanted, level)
    try:
        found = gather(claim, SuiteRows.at_test_time(frame) if claim.at_test_time else rows)
    except (Undecidable, BadInput) as reason:
        return _without(nothing, str(reason))
    if found.contrast is None:
        return _without(nothing, "the effect is no contrast of cells")
    return _of_contrast(claim, found.contrast, found.images, wanted, level)


def _without(nothing: Plan, reason: str) -> Plan:
    return Plan(nothing.claim, nothing.difference, 0, float("nan"), None, 0, None, reason)


def _of_contrast(claim: Claim, contrast: Contrast, images: int, difference: float, level: float) -> Plan:
    def error_of(seeds: int) -> tuple[float, float]:
        grown = contrast.with_seeds(seeds)
        return grown.error, grown.freedom

    needed = seeds_needed(difference, error_of, level=level, most=MOST_SEEDS)
    return Plan(
        claim,
        difference,
        contrast.seeds,
        contrast.detectable(level),
        needed,
        images,
        None if needed is not None else _images_needed(contrast, images, difference, level),
    )


def _images_needed(contrast: Contrast, images: int, difference: float, level: float) -> int | None:
    """Return the test images with which unlimited seeds would find the difference.

    The result is None if the present images suffice, or if the difference has no scatter over images.
    """
    if not (contrast.by_image and images):
        return None
    reach = float(special.ndtri(1 - level / 2) + special.ndtri(POWER))
    least = images * contrast.by_image * (reach / difference) ** 2
    return int(np.ceil(least)) if least > images else None
