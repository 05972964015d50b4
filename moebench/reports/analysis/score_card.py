"""Scores of routers on diagnostic tasks, from chance to the best known result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports import style
from moebench.reports.analysis.cells import Results, seed_intervals
from moebench.reports.analysis.equal_flops import flops_vs_dense
from moebench.reports.quantities import quantity
from moebench.results.test_time import at_test_time
from moebench.spec.tasks import LABELS, domain_entropy, fractal_classes, parse_task

CHANCE, ORACLE = "chance", "oracle"
"""The first and the last row: guessing, and a router that receives the truth."""
COST = "flops_vs_dense"
"""The quantity of the last column, which is no score: forward FLOPs over those of dense, a mean over all tasks."""


@dataclass(frozen=True)
class _Score:
    """One column of the card for one kind of task."""

    kind: str
    column: str
    title: str
    chance: Callable[[int, float], float]
    """Score by guessing, from the number in the task's name, and the fewest slots for each token."""
    best: Callable[[int, float], float]
    fewest_slots: bool = False


_SCORES = (
    _Score("domains", "accuracy", "accuracy", lambda k, c: 1 / LABELS, lambda k, c: 1.0),
    _Score(
        "domains",
        "domain_information",
        "experts\nknow",
        lambda k, c: 0.0,
        lambda k, c: domain_entropy(k, skewed=False),
    ),
    _Score("skewed", "accuracy", "accuracy", lambda k, c: 1 / LABELS, lambda k, c: 1.0),
    _Score("skewed", "tail_accuracy", "rare\ndomains", lambda k, c: 1 / LABELS, lambda k, c: 1.0),
    _Score("needles", "accuracy", "accuracy", lambda k, c: 1 / LABELS, lambda k, c: 1.0),
    _Score("needles", "needles_processed", "kept", lambda k, c: min(1.0, c), lambda k, c: 1.0, fewest_slots=True),
    _Score("lookup", "memorised_bits", "memorised", lambda k, c: 0.0, lambda k, c: k * np.log2(LABELS)),
    _Score("words", "accuracy", "accuracy", lambda k, c: 1 / LABELS, lambda k, c: 1.0),
    _Score("fractals", "accuracy", "accuracy", lambda k, c: 1 / k, lambda k, c: 1.0),
)


def score_card(results: Results) -> pd.DataFrame:
    """Return one row for each router and score, chance and oracle among the routers.

    Needles are scored with the fewest slots in which the trained models were evaluated. Slots for each token are k·C: a
    router with two choices has twice the slots of a router with one at an equal capacity factor.

    Args:
        results: the rows and cells of diagnostic tasks.

    Returns:
        router, data, quantity, title, value with low and high (95 % interval over seeds), slots_per_token for needles,
        and score: 0 at chance, 1 at the best result that is known to be possible. The last rows of a router have its
        cost, with a score of 0; there are none without dense cells.

    Raises:
        BadInput: no cell is of a diagnostic task, or several cells of one router are of one task.
    """
    found = [row for score in _SCORES for row in _rows(results, score)]
    if not found:
        raise BadInput(
            "nothing to score: no cell is of a diagnostic task, such as domains-16, needles-2, lookup-1024, "
            "skewed-16 or words-512, or of fractals; the suite diagnostics has them."
        )
    card = pd.DataFrame([*found, *_costs(results, {str(row["data"]) for row in found})])
    known = [name for name in style.in_order(card["router"].astype(str)) if name not in (CHANCE, ORACLE)]
    rank = {name: place for place, name in enumerate((ORACLE, *known, CHANCE))}
    return card.sort_values("router", key=lambda names: names.map(rank), kind="stable").reset_index(drop=True)


def _costs(results: Results, tasks: set[str]) -> Iterator[dict[str, object]]:
    """Yield the cost of each router beside dense, a geometric mean over its cells of these tasks."""
    cells = results.cells.assign(cost=np.log(flops_vs_dense(results.cells)))
    scored = cells[cells["data"].astype(str).isin(tasks) & cells["cost"].notna()]
    for router, cost in scored.groupby("router", sort=False)["cost"].mean().items():
        of = {"data": "all tasks", "quantity": COST, "title": "FLOPs", "slots_per_token": np.nan, "score": 0.0}
        yield {"router": str(router), "value": float(np.exp(cost)), "low": np.nan, "high": np.nan, **of}


def _rows(results: Results, score: _Score) -> Iterator[dict[str, object]]:
    """Yield the rows of one column of the card, for each task of its kind."""
    cells = results.cells
    for data in cells["data"].unique():
        task = _scored_task(str(data))
        if task is None or task[0] != score.kind:
            continue
        values, slots = _values(results, score, str(data))
        if values["value"].isna().all():
            continue
        chance, best = score.chance(task[1], slots), score.best(task[1], slots)
        if chance >= best:  # with a slot for every token, an untrained router keeps all needles as well
            continue
        of = {
            "data": str(data),
            "quantity": score.column,
            "title": score.title,
            "slots_per_token": slots if score.fewest_slots else np.nan,
        }
        for router, value, low, high in values.itertuples(index=False, name=None):
            found = {"router": router, "value": value, "low": low, "high": high}
            yield {**found, **of, "score": (value - chance) / (best - chance)}
        yield {"router": CHANCE, "value": chance, "low": np.nan, "high": np.nan, **of, "score": 0.0}


def _scored_task(data: str) -> tuple[str, int] | None:
    """Return kind and number of a diagnostic task, or of fractals and their classes.

    Any other data set gives None.
    """
    classes = fractal_classes(data)
    return parse_task(data) if classes is None else ("fractals", classes)


def _values(results: Results, score: _Score, data: str) -> tuple[pd.DataFrame, float]:
    """Return router, value and interval of a task's cells, and their shared slots for each token.

    Raises:
        BadInput: a router has several cells of the task, or they are of several suites, whose settings differ.
    """
    cells = results.cells[results.cells["data"] == data]
    several = cells["router"][cells["router"].duplicated()]
    if len(several) or cells["suite"].nunique() > 1:
        which = f"several cells of {several.iloc[0]}" if len(several) else "cells of several suites"
        raise BadInput(
            f"{data} has {which}: the score card compares one cell of each router, in equal settings. Choose rows of "
            "one suite with one cell each, such as those of diagnostics."
        )
    if score.fewest_slots and results.rows["test_time"].notna().any():
        return _with_fewest_slots(results, score.column, data)
    names = [score.column, f"{score.column}_ci_low", f"{score.column}_ci_high"]
    found = cells[["router", *names]].set_axis(["router", "value", "low", "high"], axis=1)
    slots = (cells["capacity_factor"] * cells["top_k"].fillna(1)).dropna()
    return found, float(slots.min()) if len(slots) else 1.0


def _with_fewest_slots(results: Results, column: str, data: str) -> tuple[pd.DataFrame, float]:
    """Return the values at test time of the setting with the fewest slots."""
    tried = at_test_time(results.rows[(results.rows["data"] == data) & (results.rows["status"] == "ok")])
    slots = tried["test_capacity_factor"] * tried["test_top_k"].fillna(1)
    fewest = float(slots.min())
    tried = tried[(slots == fewest) & tried[f"test_{column}"].notna()]
    routers, codes = np.unique(tried["router"].astype(str), return_inverse=True)
    means, low, high = seed_intervals(
        tried[f"test_{column}"].to_numpy(float), codes.astype(np.int64), len(routers), quantity(column).kind
    )
    return pd.DataFrame({"router": routers, "value": means, "low": low, "high": high}), fewest
