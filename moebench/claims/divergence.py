"""Evidence for `diverges_first`: the learning rates at which training diverges."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from moebench.claims.cell_values import joined
from moebench.claims.claim import Claim
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.matching import Cell, match
from moebench.claims.pairing import others, selected
from moebench.claims.suite_rows import SuiteRows
from moebench.statistics import Configuration, joint_permutation_test

PERMUTATION = "permutation of the seeds' first diverging learning rates"
_MOST_NAMED = 3
"""Missing learning rates that a verdict names; of more, it gives the number."""


@dataclass(frozen=True)
class _Trained:
    """A configuration with its trainings at several learning rates."""

    cell: Cell
    rows: pd.DataFrame
    """Rows with the status ok or diverged, and the column `lost` of `diverged`."""

    @property
    def complete_rates(self) -> set[float]:
        """The learning rates at which every seed has a result."""
        seeds = self.rows.groupby("learning_rate")["seed"].nunique()
        return set(seeds.index[seeds == self.rows["seed"].nunique()])

    def learned_nowhere(self, rates: set[float]) -> bool:
        """Return whether every seed guesses at each of these rates, with finite losses throughout."""
        rows = self.rows[self.rows["learning_rate"].isin(rates)]
        return bool(rows["lost"].all() and not (rows["status"] == "diverged").any())

    def first_rates(self, rates: set[float]) -> Configuration:
        """Return the lowest of these rates at which each seed diverged; infinity if a seed never did."""
        rows = self.rows[self.rows["learning_rate"].isin(rates)]
        first = rows["learning_rate"].where(rows["lost"], np.inf).groupby(rows["seed"]).min()
        return Configuration(first.to_numpy(np.float64), [int(seed) for seed in first.index])


def divergence(claim: Claim, rows: SuiteRows) -> Evidence:
    """Return the evidence whether the claim's seeds diverge at lower learning rates than other seeds.

    Configurations are compared at the learning rates at which every seed of each has a result: a rate that was not run,
    took too long or needed too much memory says nothing about divergence.

    Raises:
        Undecidable: no two matching configurations were trained at several learning rates, or at two rates in common.
    """
    than = claim.than or {}
    ours = _configurations(rows, selected(rows, claim.kind, claim.subject))
    theirs = _configurations(rows, others(rows, claim))
    named = {*(claim.subject.keys() & than.keys()), "learning_rate"}
    matching = match([each.cell for each in ours], [each.cell for each in theirs], named)
    places = [{id(each.cell): place for place, each in enumerate(side)} for side in (ours, theirs)]
    pairs = [(places[0][id(pair.a)], places[1][id(pair.b)]) for pair in matching.pairs]
    if not pairs:
        raise Undecidable("no two cells that match were trained at several learning rates")
    first: list[dict[int, Configuration]] = [{}, {}]
    missing: set[float] = set()
    numbers = list(range(len(ours) + len(theirs)))
    for members in joined(numbers, [{i, len(ours) + j} for i, j in pairs]):
        group = [(*ours, *theirs)[member] for member in members]
        if len(group) == 1:  # nothing to compare it with
            continue
        rates = set.intersection(*(each.complete_rates for each in group))
        lacking = set(pd.concat([each.rows["learning_rate"] for each in group])) - rates
        missing |= lacking
        # Below a missing rate nobody knows whether a configuration that learns nothing diverged, or was too slow.
        if len(rates) < 2 or (lacking and any(each.learned_nowhere(rates) for each in group)):
            continue
        for member, each in zip(members, group, strict=True):
            side = int(member >= len(ours))
            first[side][member - side * len(ours)] = each.first_rates(rates)
    kept = [(i, j) for i, j in pairs if i in first[0] and j in first[1]]
    if not kept:
        raise Undecidable(f"too few learning rates have results of every seed on both sides; {_missing(missing)}")
    return _evidence(first, kept, missing)


def _evidence(
    first: Sequence[dict[int, Configuration]], pairs: Sequence[tuple[int, int]], missing: set[float]
) -> Evidence:
    sides = [sorted({pair[side] for pair in pairs}) for side in (0, 1)]
    ours, theirs = ([first[side][member] for member in sides[side]] for side in (0, 1))
    apart, p_value = joint_permutation_test(ours, theirs, [(sides[0].index(i), sides[1].index(j)) for i, j in pairs])
    middles = [float(np.median(np.concatenate([each.values for each in side]))) for side in (ours, theirs)]
    without = f"; {_missing(missing)}" if missing else ""
    return Evidence(
        PERMUTATION,
        apart,
        float("nan"),
        float("nan"),
        sign=-1.0,
        pairs=len(pairs),
        seeds=min(len(each.seeds) for each in (*ours, *theirs)),
        note=f"the median seed diverges {_written(middles[0])}, those of the others {_written(middles[1])}{without}",
        exact_p_value=p_value,
    )


def _configurations(rows: SuiteRows, members: Sequence[int]) -> list[_Trained]:
    """Return the configurations that were trained at several learning rates."""
    groups: dict[str, list[Cell]] = {}
    for member in members:
        cell = rows.cells[member]
        groups.setdefault(without_rate(cell.shared["config"]), []).append(cell)
    found = []
    for cells in groups.values():
        table = pd.concat([cell.rows for cell in cells], ignore_index=True)
        table = table[table["status"].isin(["ok", "diverged"]) & table["learning_rate"].notna()]
        if table["learning_rate"].nunique() > 1:
            table = table.assign(configuration="one")
            found.append(_Trained(cells[0], table.assign(lost=diverged(table))))
    return found


def without_rate(config: object) -> str:
    """Return a `config` without the learning rate; a `config` that is no JSON stays unchanged."""
    try:
        values = json.loads(str(config))
        values.pop("learning_rate", None)
        return json.dumps(values, sort_keys=True)
    except (ValueError, AttributeError, TypeError):
        return str(config)


def diverged(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return whether the training of each row diverged.

    A seed has diverged if its loss was not finite at some step, or if its final loss is no better than guessing, at
    0.99 log(classes) or above: the loss of a seed that guesses may lie on either side of log(classes). A rate at which
    every seed of a configuration guesses, and above which some learn, was too low to learn at.

    Args:
        rows: result rows with the status ok or diverged and the column `configuration`.
    """
    lost = (rows["status"] == "diverged") | (rows["train_loss"] >= 0.99 * np.log(rows["classes"]))
    table = rows.assign(lost=lost)
    learned = table["learning_rate"].where(~lost).groupby(table["configuration"]).transform("max")
    nobody = table.groupby(["configuration", "learning_rate"])["lost"].transform("all")
    slow = nobody & (table["learning_rate"] < learned) & (table["status"] != "diverged")
    found: pd.Series[bool] = lost & ~slow
    return found


def _missing(rates: set[float]) -> str:
    """Return the sentence that rates are missing."""
    names = [f"{rate:g}" for rate in sorted(rates)]
    if len(names) == 1:
        return f"learning rate {names[0]} is missing"
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"]
    return f"learning rates {', '.join(names[:-1])} and {names[-1]} are missing"


def _written(rate: float) -> str:
    return f"at {rate:g}" if np.isfinite(rate) else "never"
