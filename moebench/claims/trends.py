"""Evidence for `rising` and `falls_slower`: slopes over the levels of an input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from moebench.claims.cell_values import CellValues, joined
from moebench.claims.claim import Claim
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.left_out import with_left_out
from moebench.claims.matching import FOLLOWING, SLOTS
from moebench.claims.pairing import pairs_of, selected
from moebench.claims.suite_rows import SuiteRows, values_of_cell
from moebench.statistics import FEWEST_LEVELS, Contrast, Variance, trend

SLOPE = "line through the seeds' values, seeds as blocks"
SLOPES = "difference of two lines through the seeds' values, seeds as blocks"

Point = dict[int, float]
"""The value of a line at one level: cells with their weights, the claim's own cell first."""


@dataclass(frozen=True)
class Slopes:
    """The mean slope of some lines."""

    slope: Contrast
    lines: int
    levels: int
    """Different values of the input."""
    doubling: bool
    """Whether the slope is for a doubling of the input, rather than for one unit."""
    falling: float
    """Slope of all cells together, whose sign shows towards which end the metric falls."""
    is_line: bool
    """Whether the levels may lie on straight lines."""
    steps_agree: bool
    """Whether each step to the next level is significant, all in one direction."""
    terms: list[dict[int, float]]
    """Weights of cells in the mean slope, the part of each line."""

    @property
    def note(self) -> str:
        """Remark on levels that do not lie on lines; "" for levels that may."""
        if self.is_line:
            return ""
        curved = "the levels lie on a curve, and every step of it has the same direction"
        return curved if self.steps_agree else "the levels do not lie on a line"


def slope(claim: Claim, rows: SuiteRows) -> Evidence:
    """Return the evidence of a slope over an input, or of a difference of slopes.

    The slope is that of the claim's cells, and the difference is from the slope of other cells.

    Raises:
        Undecidable: there are no cells at enough levels of the input.
    """
    values, over = rows.values(claim.on), str(claim.over)
    if claim.kind == "rising":
        points: list[Point] = [{cell: 1.0} for cell in selected(rows, claim.kind, claim.subject)]
    else:
        points = [{i: 1.0, j: -1.0} for i, j in pairs_of(claim, rows)]
    found = fit(values, rows, points, over)
    if found is None:
        raise Undecidable(f"there are no cells at {FEWEST_LEVELS} levels of {over}")
    better = 1.0 if claim.higher_is_better else -1.0
    # A metric that falls towards small inputs falls more slowly if its slope is smaller.
    sign = better if claim.kind == "rising" else -float(np.sign(found.falling) or 1.0)
    evidence = Evidence.from_contrast(
        found.slope,
        SLOPE if claim.kind == "rising" else SLOPES,
        sign,
        found.lines,
        images=values.images_of({cell for term in found.terms for cell in term}),
        per=f"{'doubling' if found.doubling else 'unit'} of {over}",
        note=found.note,
    )
    weights = _weights(rows, points, over, found)
    return with_left_out(evidence, rows, weights, higher=claim.higher_is_better)


def _weights(rows: SuiteRows, points: Sequence[Point], over: str, found: Slopes) -> dict[int, float]:
    """Return the weights of cells in a slope, and the signs of weights for cells that have too few seeds for it."""
    weights = {cell: weight for term in found.terms for cell, weight in term.items()}
    inputs = {next(iter(point)): values_of_cell(rows.cells[next(iter(point))]).get(over) for point in points}
    known = {cell: float(x) for cell, x in inputs.items() if isinstance(x, (int, float))}
    centre = float(np.mean([known[cell] for cell in weights if cell in known]))
    for point in points:
        first = next(iter(point))
        if first in known and first not in weights:
            weights |= {cell: sign * float(np.sign(known[first] - centre)) for cell, sign in point.items()}
    return weights


def fit(values: CellValues, rows: SuiteRows, points: Sequence[Point], over: str) -> Slopes | None:
    """Return the mean slope of the lines that some points lie on.

    The result is None without a line of enough levels.

    Args:
        values: the metric of all cells.
        rows: all cells.
        points: the values of the lines; points whose cells share fewer than two seeds are left out.
        over: the input, a setting or a column of numbers.
    """
    kept = [each for each in points if (~np.isnan(values.means[list(each)])).all(axis=0).sum() >= 2]
    lines = _lines(rows, kept, over)
    if not lines:
        return None
    inputs = {cell: float(values_of_cell(rows.cells[cell])[over]) for line in lines for cell, *_ in map(list, line)}
    doubling = min(inputs.values()) > 0
    across = {cell: float(np.log2(x)) if doubling else x for cell, x in inputs.items()}
    slopes, falling, is_line, agree = [], 0.0, True, True
    terms: list[dict[int, float]] = []
    for members in joined(rows.pools, [{cell for point in line for cell in point} for line in lines]):
        own = [(unit, point) for unit, line in enumerate(lines) for point in line if set(point) <= set(members)]
        if not own:
            continue
        place = {cell: position for position, cell in enumerate(members)}
        weights = np.zeros((len(own), len(members)))
        for row, (_, point) in enumerate(own):
            for cell, weight in point.items():
                weights[row, place[cell]] = weight
        units = np.unique([unit for unit, _ in own], return_inverse=True)[1].tolist()
        x = [across[next(iter(point))] for _, point in own]
        share = (max(units) + 1) / len(lines)
        found = trend(values.table(members), x, weights, units)
        slopes.append(found.slope.scaled(share))
        for unit, row in enumerate(share * found.weights):
            cells = {cell for number, (_, point) in zip(units, own, strict=True) if number == unit for cell in point}
            terms.append({cell: float(row[place[cell]]) for cell in sorted(cells)})
        falling += share * trend(values.table(members), x, np.abs(weights), units).slope.value
        is_line &= found.is_line
        agree &= found.steps_agree
    total = slopes[0] if len(slopes) == 1 else _at_least(values.contrast(terms, rows.pools), slopes)
    return Slopes(total, len(lines), len(set(inputs.values())), doubling, falling, is_line, agree, terms)


def _at_least(slope: Contrast, parts: Sequence[Contrast]) -> Contrast:
    """Return a slope over several pools with at least the variance that its parts add up to.

    A part whose levels miss their line has a larger variance than seeds alone give it.
    """
    variances = [slope.seeds / part.seeds * part.by_seed.value for part in parts]
    total = sum(variances)
    if not total > slope.by_seed.value:
        return slope
    spread = sum(own**2 / part.by_seed.freedom for own, part in zip(variances, parts, strict=True) if own)
    return replace(slope, by_seed=Variance(total, total**2 / spread))


def _lines(rows: SuiteRows, points: Sequence[Point], over: str) -> list[list[Point]]:
    """Return the points as lines of cells that differ only in the input.

    A line has at least `FEWEST_LEVELS` levels of the input.
    """
    lines: dict[str, list[Point]] = {}
    levels: dict[str, set[float]] = {}
    for point in points:
        cell = rows.cells[next(iter(point))]
        x = values_of_cell(cell).get(over)
        if isinstance(x, (int, float)):
            settings = {name: value for name, value in cell.settings.items() if name not in (over, SLOTS, *FOLLOWING)}
            key = repr(sorted((name, repr(value)) for name, value in settings.items()))
            lines.setdefault(key, []).append(point)
            levels.setdefault(key, set()).add(float(x))
    return [line for key, line in lines.items() if len(levels[key]) >= FEWEST_LEVELS]
