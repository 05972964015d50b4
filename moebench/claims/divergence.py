"""Evidence for `diverges_first`: the learning rates at which training diverges."""

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moebench.claims.claim import Claim
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.matching import Cell, match
from moebench.claims.pairing import others, selected
from moebench.claims.suite_rows import SuiteRows

PERMUTATION = "permutation of the seeds' first diverging learning rates"
_MOST_ORDERS = 20_000
"""Orders of seeds up to which all are counted; beyond, this number of random orders is drawn."""

Rates = list[float]
"""For each seed of a configuration the lowest learning rate at which it diverged; infinity if it never did."""


def divergence(claim: Claim, rows: SuiteRows) -> Evidence:
    """Return the evidence whether the claim's seeds diverge at lower learning rates than other seeds.

    Raises:
        Undecidable: no two matching configurations were trained at several learning rates.
    """
    than = claim.than or {}
    ours = _configurations(rows, selected(rows, claim.kind, claim.subject))
    theirs = _configurations(rows, others(rows, claim))
    named = {*(claim.subject.keys() & than.keys()), "learning_rate"}
    matching = match([cell for cell, _ in ours], [cell for cell, _ in theirs], named)
    rates = {id(cell): found for cell, found in (*ours, *theirs)}
    pairs = [(rates[id(pair.a)], rates[id(pair.b)]) for pair in matching.pairs]
    if not pairs:
        raise Undecidable("no two cells that match were trained at several learning rates")
    apart, p_value = permutation_test(pairs)
    middles = [float(np.median([rate for pair in pairs for rate in pair[side]])) for side in (0, 1)]
    return Evidence(
        PERMUTATION,
        apart,
        float("nan"),
        float("nan"),
        sign=-1.0,
        pairs=len(pairs),
        seeds=min(len(found) for pair in pairs for found in pair),
        note=f"the median seed diverges {_written(middles[0])}, those of the others {_written(middles[1])}",
        exact_p_value=p_value,
    )


def _configurations(rows: SuiteRows, members: Sequence[int]) -> list[tuple[Cell, Rates]]:
    """Return a cell and the first diverging rates of each configuration trained at several rates."""
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
            found.append((cells[0], first_rates(table.assign(lost=diverged(table)))))
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


def first_rates(rows: pd.DataFrame) -> Rates:
    """Return the first diverging rate of each seed of one configuration.

    Args:
        rows: the rows of the configuration, with the column `lost` of `diverged`.
    """
    rates = rows["learning_rate"].where(rows["lost"], np.inf).groupby(rows["seed"]).min()
    found: Rates = rates.tolist()
    return found


def permutation_test(pairs: Sequence[tuple[Rates, Rates]]) -> tuple[float, float]:
    """Return the first side's mean rank less the middle rank, and the two-sided p-value.

    The p-value is that of no difference between the sides. The seeds of a pair are permuted between its two sides; a
    rank below 0 means a lower rate.

    Args:
        pairs: for each pair of configurations the first diverging rates of both.
    """
    from scipy.stats import rankdata

    sums, observed, seeds = [], 0.0, 0
    for ours, theirs in pairs:
        ranks = rankdata([*ours, *theirs]) - (len(ours) + len(theirs) + 1) / 2
        sums.append(np.array([sum(chosen) for chosen in itertools.combinations(ranks.tolist(), len(ours))]))
        observed += float(ranks[: len(ours)].sum())
        seeds += len(ours)
    p_value = float((np.abs(_totals(sums)) >= abs(observed) - 1e-9).mean())
    return observed / seeds, p_value


def _totals(sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return sums of one value of each array, over all or many random combinations."""
    if np.prod([float(len(each)) for each in sums]) <= _MOST_ORDERS:
        total = np.zeros(1)
        for each in sums:
            total = np.add.outer(total, each).ravel()
        return total
    rng = np.random.default_rng(0)
    drawn: NDArray[np.float64] = np.sum([rng.choice(each, _MOST_ORDERS) for each in sums], axis=0)
    return drawn


def _written(rate: float) -> str:
    return f"at {rate:g}" if np.isfinite(rate) else "never"
