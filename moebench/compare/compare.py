"""Compare A with B, matched cell by cell, with a verdict on each metric.

A change is called better or worse if it is significant, its p-value corrected by Holm's method for all comparisons that
are made, unless its whole interval is below the smallest change that matters. No significant difference does not prove
that A and B are equal: the interval shows how far apart they may be, and `detectable` the change that would have been
found.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moebench.claims.matching import Cell, cells_of, match
from moebench.compare.claims import ClaimBothWays
from moebench.compare.effect import EQUAL_OR_NOT, Background, Evidence, Found, Missing, evidence, overall
from moebench.compare.metrics import DEFAULT, PAIR_TESTS, SECONDS, TIMED, check_metric, smallest_effect
from moebench.compare.notes import caveats, differing, in_words, why_no_metric, why_no_pair, why_too_little
from moebench.errors import BadInput
from moebench.reports.analysis.cells import prepared
from moebench.reports.labels import cell_labels
from moebench.reports.quantities import quantity
from moebench.statistics import holm

BETTER, WORSE, NEITHER = "better", "worse", "not significant"
LEVEL = 0.95

ENVIRONMENT = (
    *("platform", "device_kind", "device_count", "cpu", "cpu_count"),
    *("jax_version", "jaxlib_version", "flax_version", "jax_settings"),
)
CODE = ("moebench_version", "git_commit")


@dataclass(frozen=True)
class Report:
    """The comparison of A with B."""

    rows: pd.DataFrame
    """One row for each pair of cells and metric: `metric a b` (labels), `value_a value_b` (of times the middle that
    Hodges and Lehmann estimate, else means), `change change_low change_high` (A over B less 1 for times, else A less
    B), `detectable` (the change that would have been found with 80 % power, after the correction), `clock` (of times,
    `wall` or `processor`), `improvement improvement_low improvement_high`, `test p_value p_corrected smallest_effect
    verdict samples_a samples_b`. Intervals are of 95 %, each for itself."""
    overall: pd.DataFrame
    """One row for each metric, over all its cells: the columns of `rows` but for the labels, values and changes of
    times being geometric means and others means over cells; and `cells better worse`, how many cells there are and how
    many changed for the better or the worse. `clock` is `both` if cells differ in it."""
    lost: dict[str, tuple[str, ...]]
    """For each metric the pairs of which B has the metric and A does not, and why."""
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    pairs: int
    environment: dict[str, tuple[str, str]]
    """Columns of machine and versions that differ, with the values of A and of B."""
    notes: tuple[str, ...]
    """Warnings about the numbers, a sentence each."""
    claims: tuple[ClaimBothWays, ...] = ()
    """The claims of the suites that A and B share, judged on either side; empty if parts of suites are compared."""

    @property
    def comparisons(self) -> tuple[int, int]:
        """The numbers of comparisons over all cells, and of single cells.

        Verdicts are corrected for both numbers.
        """
        cells, together = (int((frame["test"] != EQUAL_OR_NOT).sum()) for frame in (self.rows, self.overall))
        return together, cells


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    named: Collection[str] = (),
    metrics: Sequence[str] = (),
    across_environments: bool = False,
    pool: pd.DataFrame | None = None,
    claims: Sequence[ClaimBothWays] = (),
) -> Report:
    """Compare two result tables, one row for each cell and seed.

    Args:
        a: the rows in question.
        b: the rows to compare them with.
        named: keys to which both selections give values, on which cells are therefore not matched.
        metrics: columns to compare; by default accuracy and times, the tests of text towers, and seconds as well if the
            code differs.
        across_environments: whether to compare times from different machines or versions.
        pool: rows of more cells, such as all of the suite, from which the scatter over seeds is estimated as well.
        claims: verdicts on the claims of the suites, to stand beside the comparison.

    Raises:
        BadInput: a metric cannot be compared, no cells match, cells were evaluated on different test images, or a
            metric that was asked for is missing on a side or rests on a single seed or on fewer than nine samples.
    """
    for metric in metrics:
        check_metric(metric)
    ours, theirs = _labelled(a), _labelled(b)
    matching = match(ours, theirs, named)
    if not matching.pairs:
        raise BadInput(f"nothing to compare: {why_no_pair(matching)}")
    environment, code = differing(matching.pairs, ENVIRONMENT), differing(matching.pairs, CODE)
    tests = [name for name in PAIR_TESTS if any(name in side and side[name].notna().any() for side in (a, b))]
    chosen = list(dict.fromkeys(metrics or (*DEFAULT, *tests, *(SECONDS if code else ()))))
    blocked = [metric for metric in chosen if metric in TIMED] if environment and not across_environments else []
    background = Background.from_cells([*ours, *theirs, *([] if pool is None else cells_of(prepared(pool)))])
    judged = {
        metric: [(pair, evidence(metric, pair, background)) for pair in matching.pairs]
        for metric in chosen
        if metric not in blocked
    }
    found = {m: [(pair, each) for pair, each in those if isinstance(each, Evidence)] for m, those in judged.items()}
    missing = {m: [(pair, each) for pair, each in those if isinstance(each, Missing)] for m, those in judged.items()}
    compared = {metric: pairs for metric, pairs in found.items() if pairs}
    for metric, absent in missing.items():
        if metric not in compared and any(each.too_little for _, each in absent):
            raise BadInput(why_too_little(metric, [each for _, each in absent if each.too_little]))
    lacking = [metric for metric in chosen if metric not in compared]
    if not compared or (metrics and lacking):
        raise BadInput(f"nothing to compare: {why_no_metric(lacking, blocked, matching.pairs, environment)}")
    rows = _rows(compared)
    return Report(
        rows=rows,
        overall=_overall(compared, rows, background),
        lost={
            **{metric: (f"it is not compared ({in_words(environment)})",) for metric in blocked},
            **{metric: tuple(each.why for _, each in absent if each.lost_in_a) for metric, absent in missing.items()},
        },
        only_a=tuple(cell.label for cell in matching.only_a),
        only_b=tuple(cell.label for cell in matching.only_b),
        pairs=len(matching.pairs),
        environment=environment,
        notes=tuple(caveats(found, missing, matching.pairs, environment, code, blocked)),
        claims=tuple(claims),
    )


def _labelled(frame: pd.DataFrame) -> list[Cell]:
    """Return the cells of a result table with labels that tell them apart."""
    cells = cells_of(prepared(frame))
    labels = cell_labels(pd.DataFrame([cell.shared for cell in cells]).reset_index(drop=True))
    return [replace(cell, label=label) for cell, label in zip(cells, labels, strict=True)]


def _rows(compared: dict[str, Found]) -> pd.DataFrame:
    rows = [
        {"metric": metric, **dict(zip("ab", pair.labels, strict=True)), **_numbers(metric, each)}
        for metric, pairs in compared.items()
        for pair, each in pairs
    ]
    return _judged(rows, [each for pairs in compared.values() for _, each in pairs])


def _overall(compared: dict[str, Found], rows: pd.DataFrame, background: Background) -> pd.DataFrame:
    found = [overall(metric, pairs, background) for metric, pairs in compared.items()]
    lines: list[dict[str, Any]] = []
    for metric, each in zip(compared, found, strict=True):
        own = rows[rows["metric"] == metric]
        verdicts = own["verdict"].tolist()
        counts = {"cells": len(verdicts), "better": verdicts.count(BETTER), "worse": verdicts.count(WORSE)}
        values: dict[str, Any] = {
            name: _mean(own[name].to_numpy(), geometric=each.ratio is not None) for name in ("value_a", "value_b")
        }
        clocks = own["clock"].unique()
        values["clock"] = clocks[0] if len(clocks) == 1 else "both"
        lines.append({"metric": metric, **counts, **_numbers(metric, each), **values})
    return _judged(lines, found)


def _numbers(metric: str, each: Evidence) -> dict[str, Any]:
    ends = ("", "_low", "_high")
    return {
        **dict(zip(("value_a", "value_b"), each.levels, strict=True)),
        **{f"change{end}": value for end, value in zip(ends, each.change, strict=True)},
        **{f"improvement{end}": value for end, value in zip(ends, each.improvement, strict=True)},
        "clock": None if each.ratio is None else "processor" if each.on_processor_time else "wall",
        "test": each.test,
        "p_value": each.p_value,
        "smallest_effect": smallest_effect(metric),
        "samples_a": len(each.a),
        "samples_b": len(each.b),
    }


def _mean(values: NDArray[np.float64], geometric: bool) -> float:
    return float(np.exp(np.log(values).mean()) if geometric else values.mean())


def _judged(rows: list[dict[str, Any]], found: Sequence[Evidence]) -> pd.DataFrame:
    """Return the rows with corrected p-values and verdicts; counts are certain and need no correction."""
    frame = pd.DataFrame(rows)
    tested = frame["test"] != EQUAL_OR_NOT
    level = (1 - LEVEL) / max(int(tested.sum()), 1)
    frame["detectable"] = [each.detectable_at(level) for each in found]
    frame["p_corrected"] = frame["p_value"]
    frame.loc[tested, "p_corrected"] = holm(frame.loc[tested, "p_value"].to_numpy())
    frame["verdict"] = [
        _verdict(metric, each, p) for metric, each, p in zip(frame["metric"], found, frame["p_corrected"], strict=True)
    ]
    return frame


def _verdict(metric: str, each: Evidence, p_corrected: float) -> str:
    if each.test == EQUAL_OR_NOT:
        p_corrected = float(each.change.value == 0)
    least = smallest_effect(metric)
    if each.ratio is not None:
        verdict = each.ratio.verdict(p_corrected, least, LEVEL)
        return {"lower": BETTER, "higher": WORSE}.get(verdict, NEITHER)
    if not p_corrected < 1 - LEVEL or (each.change.low > -least and each.change.high < least):
        return NEITHER
    return BETTER if (each.change.value > 0) == quantity(metric).higher_is_better else WORSE
