"""Verdicts on a suite's claims: shown, contradicted or undecided, corrected for the number of claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
import pandas as pd

from moebench.claims.claim import RATIOS, Claim
from moebench.claims.differences import difference
from moebench.claims.divergence import divergence
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.left_out import in_words, seeds_in_words
from moebench.claims.suite_rows import SuiteRows, complete
from moebench.claims.trends import slope
from moebench.errors import BadInput
from moebench.results.number_text import three_digits
from moebench.results.schema import column
from moebench.statistics import Interval, holm

LEVEL = 0.05
"""Probability of a false verdict among all claims of a suite."""
Word = Literal["shown", "contradicted", "undecided"]
NO_METHOD = "none"
"""Method of a claim that rows cannot decide."""
_NOTHING = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Verdict:
    """The verdict of a suite's rows on one claim."""

    claim: Claim
    suite: str
    device_kind: str
    verdict: Word
    effect: Interval
    """The effect with its interval, in the unit of the metric: 0.01 is a point of accuracy, 0.1 of a time a tenth more.

    The interval excludes the claim's boundary exactly if the claim is decided, correction included, or undecided
    because seeds of the better side diverged.
    """
    p_value: float
    """Two-sided, not corrected."""
    p_corrected: float
    """Corrected for all claims of the suite (Holm)."""
    detectable: float
    """The difference from the claim's boundary that would have been found with 80 % power, in the unit of `effect`."""
    method: str
    text: str
    """The verdict in at most 25 words, and the seeds that failed."""
    claims: int
    """Number of claims that the verdict is corrected for."""
    pairs: int = 0
    seeds: int = 0
    images: int = 0
    """Test images by which cells were paired; 0 if they were paired by seed alone."""


def judge(frame: pd.DataFrame, claims: Sequence[Claim]) -> list[Verdict]:
    """Return the verdict on each claim for each kind of device.

    Args:
        frame: result rows of one suite, one for each cell and seed.
        claims: all claims of the suite.
    """
    if not claims:  # thousands of cells take seconds to gather
        return []
    verdicts = []
    for device, rows in complete(frame).groupby("device_kind", sort=False, dropna=False):
        found = _gather(claims, rows)
        verdicts += _corrected(found, claims, str(rows["suite"].iloc[0]), str(device))
    return verdicts


def _gather(claims: Sequence[Claim], frame: pd.DataFrame) -> list[Evidence | str]:
    """Return the evidence for each claim, or the reason why there is none."""
    trained = SuiteRows.from_frame(frame)
    try:
        tried = SuiteRows.at_test_time(frame)
    except BadInput:
        tried = SuiteRows([])
    found: list[Evidence | str] = []
    for claim in claims:
        try:
            found.append(gather(claim, tried if claim.at_test_time else trained))
        except Undecidable as reason:
            found.append(str(reason))
    return found


def gather(claim: Claim, rows: SuiteRows) -> Evidence:
    """Return the evidence of a suite's rows for a claim.

    Raises:
        Undecidable: cells are missing, cost different amounts, were evaluated on different test images, or have too few
            seeds.
    """
    if claim.kind == "diverges_first":
        return divergence(claim, rows)
    return slope(claim, rows) if claim.kind in ("rising", "falls_slower") else difference(claim, rows)


def _corrected(found: Sequence[Evidence | str], claims: Sequence[Claim], suite: str, device: str) -> list[Verdict]:
    p_values = np.array([each.p_value if isinstance(each, Evidence) else np.nan for each in found])
    corrected, levels = holm(p_values), step_levels(p_values)
    count = int((~np.isnan(p_values)).sum())
    verdicts = []
    for claim, each, p, level in zip(claims, found, corrected.tolist(), levels.tolist(), strict=True):
        if isinstance(each, str):
            text = f"Undecided: {each}."
            nan = float("nan")
            verdicts.append(Verdict(claim, suite, device, "undecided", _NOTHING, nan, nan, nan, NO_METHOD, text, count))
            continue
        significant = p < LEVEL
        word: Word = "undecided" if not significant else "shown" if each.speaks_for else "contradicted"
        if each.doubtful:
            word = "undecided"
        effect = _NOTHING if np.isnan(each.error) else Interval(*(_shown(claim, v) for v in each.interval(1 - level)))
        detectable = _distance(claim, each.detectable(level), each.null)
        verdicts.append(
            Verdict(
                claim,
                suite,
                device,
                word,
                effect,
                each.p_value,
                p,
                detectable,
                each.method,
                _text(claim, each, word, effect, detectable, level, significant=significant),
                count,
                each.pairs,
                each.seeds,
                each.images,
            )
        )
    return verdicts


def step_levels(p_values: np.ndarray) -> np.ndarray:
    """Return the level at which Holm's method tests each p-value, float[n]; NaN for a NaN.

    The smallest of n is tested at 5 % / n, the next at 5 % / (n - 1), and so on; all p-values after the first one that
    is not significant are tested at its level.
    """
    levels = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    left = len(order)
    for place in order:
        levels[place] = LEVEL / left
        if p_values[place] < levels[place]:
            left -= 1 if left > 1 else 0
        else:
            rest = order[list(order).index(place) :]
            levels[rest] = LEVEL / left
            break
    return levels


def _shown(claim: Claim, value: float) -> float:
    """Return an effect in the unit of its metric, within the possible range.

    Ratios of times arrive as logarithms.
    """
    if claim.on in RATIOS:
        return float(np.expm1(value))
    # Student's t is unbounded, and a difference of shares is not.
    return min(max(value, -1.0), 1.0) if column(claim.on).unit == "share" else value


def _distance(claim: Claim, value: float, null: float) -> float:
    return float(np.expm1(null + value) - np.expm1(null)) if claim.on in RATIOS else value


def _text(
    claim: Claim,
    each: Evidence,
    word: Word,
    effect: Interval,
    detectable: float,
    level: float,
    *,
    significant: bool,
) -> str:
    if claim.kind == "diverges_first":
        few = f", and {each.seeds} seeds a side are too few" if word == "undecided" and _too_few(each, level) else ""
        return f"{word.capitalize()}: {each.note}{few}."
    per = f" per {each.per}" if each.per else ""
    digits = _digits(effect, _shown(claim, each.null))
    value, low, high = (_written(claim, number, digits, signed=True) for number in effect)
    size = f"{word.capitalize()}: {value} [{low}, {high}]{_unit(claim)}{per}"
    found = f"{_written(claim, detectable)}{_unit(claim)} would have been found with 80 % power"
    if detectable >= 1 and column(claim.on).unit == "share":
        found = "nothing that is possible would have been found with 80 % power"
    if significant and each.doubtful:
        diverged = f"{each.doubtful} {seeds_in_words([each.doubtful])} of the better side diverged"
        return f"{size}, but {diverged}{in_words(each.left_out, each.doubtful)}."
    if claim.kind == "no_loss":
        limit = f"{_written(claim, claim.beyond or 0.0)}{_unit(claim)}"
        end = {
            "shown": f", so that a loss beyond {limit} is excluded",
            "contradicted": f", a loss beyond {limit}",
            "undecided": f", allowed is a loss of {limit}; from there {found}",
        }[word]
    elif word == "undecided":
        end = f"; {found}"
    else:
        end = f", {each.note}" if each.note else ""
    return f"{size}{end}{in_words(each.left_out, 0)}."


def _too_few(each: Evidence, level: float) -> bool:
    """Return whether even a complete separation of the seeds would not be significant."""
    return 2 / comb(2 * each.seeds, each.seeds) >= level


def _unit(claim: Claim) -> str:
    """Return the unit of an effect with a space before the unit."""
    if claim.on in RATIOS:
        return " %"
    unit = column(claim.on).unit
    return " points" if unit == "share" else f" {unit}" if unit else ""


def _written(claim: Claim, value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Return an effect as text.

    Points and percent have the given decimals, other units three digits.
    """
    percent = claim.on in RATIOS or column(claim.on).unit == "share"
    text = f"{round(100 * value, digits) + 0.0:+.{digits}f}" if percent else three_digits(value, signed=True)
    return text if signed else text.lstrip("+")


def _digits(effect: Interval, boundary: float) -> int:
    """Return the decimals of points that show each bound's side of the claim's boundary.

    The number is one to three.
    """
    for digits in (1, 2):
        if all(round(100 * bound, digits) != round(100 * boundary, digits) for bound in (effect.low, effect.high)):
            return digits
    return 3
