"""Pairs of cells that a claim compares.

The cells of a pair have equal cost and differ only in the keys that the claim names.
"""

from collections.abc import Sequence

import numpy as np

from moebench.claims.claim import RATIOS, Claim, Selection
from moebench.claims.evidence import Undecidable
from moebench.claims.matching import Pair, match
from moebench.claims.suite_rows import SuiteRows
from moebench.errors import BadInput

Numbers = tuple[int, int]
"""A pair of cells by their numbers."""


class UnequalCost(Undecidable):
    """An error for a claim whose cells all have unequal cost.

    The text gives the ratio.
    """


def selected(rows: SuiteRows, name: str, selection: Selection | None) -> list[int]:
    """Return the numbers of the cells of a selection.

    Raises:
        Undecidable: the selection is empty.
    """
    found = rows.select(selection or {})
    if not found:
        raise Undecidable(f"there are no results of the cells of '{name}'")
    return found


def others(rows: SuiteRows, claim: Claim) -> list[int]:
    """Return the numbers of the cells that a claim compares its own cells with.

    Raises:
        Undecidable: there are no cells besides the claim's own.
    """
    own = set(rows.select(claim.subject))
    found = [number for number in selected(rows, "than", claim.than) if number not in own]
    if not found:
        raise Undecidable(f"'than' names no cell besides those of '{claim.kind}'")
    return found


def pairs_of(claim: Claim, rows: SuiteRows) -> list[Numbers]:
    """Return the pairs of cells that a claim compares, whatever their cost.

    Raises:
        Undecidable: no cells match, or two matching cells were evaluated on different test images.
    """
    than = claim.than or {}
    ours, theirs = selected(rows, claim.kind, claim.subject), others(rows, claim)
    named = claim.subject.keys() & than.keys()
    matching = match([rows.cells[i] for i in ours], [rows.cells[i] for i in theirs], named)
    if not matching.pairs:
        raise Undecidable(f"no two cells differ in {' and '.join(sorted(named)) or 'nothing'} alone")
    if claim.on not in RATIOS:
        try:
            for pair in matching.pairs:
                check_same_images(pair, claim.on)
        except BadInput as error:
            raise Undecidable("the cells were evaluated on different test images; run them on the same data") from error
    numbers = {id(cell): number for number, cell in enumerate(rows.cells)}
    return [(numbers[id(pair.a)], numbers[id(pair.b)]) for pair in matching.pairs]


def check_same_images(pair: Pair, metric: str) -> None:
    """Raise if two cells were evaluated on different test images.

    Raises:
        BadInput: both cells name their test set, and the names differ.
    """
    sets = [cell.shared.get("test_set") for cell in (pair.a, pair.b)]
    if all(isinstance(name, str) for name in sets) and sets[0] != sets[1]:
        names = [cell.label or str(cell.shared["cell_id"]) for cell in (pair.a, pair.b)]
        raise BadInput(
            f"{metric} of {names[0]} and {names[1]} cannot be compared: they were evaluated on different test images "
            f"(test_set {sets[0]} and {sets[1]}); run both again on equal data."
        )


def equal_cost(claim: Claim, pairs: Sequence[Numbers], rows: SuiteRows) -> list[Numbers]:
    """Return the pairs of cells of equal cost, within the tolerance of the claim.

    Raises:
        UnequalCost: there are no such pairs.
        Undecidable: the cost of the cells is unknown.
    """
    if claim.cost is None:
        return list(pairs)
    column, tolerance = claim.cost
    costs = [float(cell.shared[column]) for cell in rows.cells]
    off = {(i, j): abs(costs[i] / costs[j] - 1) for i, j in pairs}
    equal = [pair for pair in pairs if off[pair] <= tolerance + 1e-9]
    if equal:
        return equal
    if all(np.isnan(each) for each in off.values()):
        raise Undecidable(f"the {column} of the cells is unknown")
    i, j = min(pairs, key=lambda pair: off[pair])
    raise UnequalCost(f"cells of unequal cost, at least {costs[i] / costs[j]:.2f} times the {column}")
