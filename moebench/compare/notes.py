"""Caveats of a comparison, and advice if nothing can be compared."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from moebench.claims.matching import Cell, Matching, Pair
from moebench.compare.effect import Found, Missing
from moebench.compare.metrics import DEFAULT, SECONDS, TIMED
from moebench.reports.analysis.cells import listed
from moebench.reports.quantities import quantity
from moebench.statistics import FEW_SAMPLES

Differing = dict[str, tuple[str, str]]
"""Columns that differ, with the values of A and of B."""
_SIDES = ((0, "A"), (1, "B"))
_NAMED = 5
"""Cells that a sentence names before it gives the number of further cells."""


def differing(pairs: Sequence[Pair], columns: Sequence[str]) -> Differing:
    """Return the columns in which some pair differs, with the values of each side."""
    found = {}
    for column in columns:
        values = [(_value(pair.a, column), _value(pair.b, column)) for pair in pairs]
        if any(a != b for a, b in values):
            found[column] = (_listed({a for a, _ in values}), _listed({b for _, b in values}))
    return found


def _value(cell: Cell, column: str) -> str:
    value = cell.shared[column]
    if column == "jax_settings" and pd.isna(value):
        return "{}"  # rows older than the column; no row of that time had changed settings
    return "unknown" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _listed(values: Collection[str]) -> str:
    return ", ".join(sorted(values))


def in_words(differing: Differing) -> str:
    """Return the differences as text, such as `jax version: 0.9 against 0.10; cpu: …`."""
    return "; ".join(f"{column.replace('_', ' ')}: {a} against {b}" for column, (a, b) in differing.items())


def why_no_pair(matching: Matching) -> str:
    """Return why no cells match, and how to make them match."""
    near = "; ".join(f"{key} is {a} and {b}" for key, (a, b) in matching.in_the_way.items())
    first = next(iter(matching.in_the_way))
    return (
        f"no cell of A matches one of B. The two nearest cells differ: {near}. To compare them, give {first} a value "
        f"in both selections, as in '{first}=…'."
    )


def why_no_metric(lacking: Sequence[str], blocked: Sequence[str], pairs: Sequence[Pair], environment: Differing) -> str:
    """Return why a requested metric, or every metric, cannot be compared, and what to do.

    Args:
        lacking: metrics without values on both sides.
        blocked: metrics that are not compared because machines or versions differ.
        pairs: the matched cells.
        environment: differences of machines and versions.
    """
    if blocked and len(blocked) == len(lacking):
        return (
            f"times from different machines or versions do not compare the programs ({in_words(environment)}). "
            "--across-environments compares them nevertheless."
        )
    ended = [pair for pair in pairs if len(pair.a.good) and len(pair.b.good)]
    if not ended:
        failed = [f"{cell.label} ({cell.shared['status']})" for p in pairs for cell in _sides(p) if cell.good.empty]
        return (
            f"in no pair of matched cells did both cells succeed: {_some(failed)}. "
            "`moebench suite NAME --retry-failed` runs failed cells again."
        )
    present = ", ".join(f"{name} has {_present([_sides(pair)[place] for pair in ended])}" for place, name in _SIDES)
    return f"no matched cell has {' or '.join(lacking)} on both sides; {present}. --metric takes another column."


def why_too_little(metric: str, absent: Sequence[Missing]) -> str:
    """Return why a metric has too few seeds or samples, and what to do.

    Args:
        metric: the metric.
        absent: the reasons, of which at least one is that there are too few values.
    """
    what = f"{metric} cannot be judged: {_some([each.why for each in absent])}"
    if metric in TIMED:
        return f"{what}, and fewer than {FEW_SAMPLES} show little; a larger timing_budget_s takes more."
    return (
        f"{what}, and one seed shows no difference; run more, such as --seeds 0,1,2, or compare times alone with "
        "--metric train_step_vs_dense."
    )


def caveats(
    found: Mapping[str, Found],
    missing: Mapping[str, Sequence[tuple[Pair, Missing]]],
    pairs: Sequence[Pair],
    environment: Differing,
    code: Differing,
    blocked: Sequence[str],
) -> list[str]:
    """Return sentences that a reader of the numbers should know.

    Args:
        found: for each metric the pairs that have it.
        missing: for each metric the pairs that lack it.
        pairs: all pairs.
        environment: differences of machines and versions.
        code: differences of the code.
        blocked: metrics that were not compared because of the environment.
    """
    return [
        *_on_environment(environment, code, blocked),
        *_on_missing(missing, pairs),
        *_on_failed_seeds(found),
        *_on_times(found),
        *_on_settings(pairs),
    ]


def _on_environment(environment: Differing, code: Differing, blocked: Sequence[str]) -> list[str]:
    notes = []
    if blocked:
        notes.append(
            f"Times are not compared, for machines or versions differ ({in_words(environment)}); "
            "--across-environments compares them nevertheless."
        )
    elif environment:
        notes.append(f"Machines or versions differ, and with them, perhaps, the times: {in_words(environment)}.")
    if code:
        notes.append(f"The code differs: {in_words(code)}.")
    return notes


def _on_missing(missing: Mapping[str, Sequence[tuple[Pair, Missing]]], pairs: Sequence[Pair]) -> list[str]:
    notes = []
    for metric, absent in missing.items():
        if absent:
            what = "left out" if len(absent) == len(pairs) else f"{len(absent)} of {len(pairs)} pairs are left out"
            notes.append(f"{quantity(metric).title}: {what}, with {_some([each.why for _, each in absent])}.")
    return notes


def _on_failed_seeds(found: Mapping[str, Found]) -> list[str]:
    """Return the seeds that a cell's values lack because they failed; diverged seeds flatter their side."""
    texts: dict[str, None] = {}
    diverged = False
    for pair, _ in (each for metric, those in found.items() if metric not in TIMED for each in those):
        for (_, name), cell in zip(_SIDES, _sides(pair), strict=True):
            failed = cell.rows.loc[cell.rows["status"] != "ok", "status"].value_counts().sort_index()
            diverged = diverged or "diverged" in failed
            if len(failed):
                counts = _listed([f"{count} {status}" for status, count in failed.items()])
                texts[f"{counts} of {cell.label} in {name}"] = None
    if not texts:
        return []
    end = "; a seed that diverged has no value, so that its side looks better than it is" if diverged else ""
    return [f"Seeds that failed are left out: {_some(list(texts))}{end}."]


def _on_times(found: Mapping[str, Found]) -> list[str]:
    notes = []
    if any(metric in TIMED and those for metric, those in found.items()):
        notes.append(
            "Times: A, B and their change are Hodges' and Lehmann's estimates, which belong to the test; tables and "
            "pages of a suite show medians, which differ from these estimates if the samples form two groups."
        )
    if any(each.on_processor_time for those in found.values() for _, each in those):
        notes.append(
            "Other processes used a part of the processors, so that times beside dense are compared by processor time, "
            "as in the tables and pages of a suite."
        )
    if any(found.get(metric) for metric in SECONDS):
        notes.append(
            "Seconds that were measured at different times drift with the machine, the more so the more of it other "
            "processes use: intervals and p allow for the drift, so that a difference may not be significant although "
            "all samples of A are shorter. "
            "Times beside the dense twin, which took turns with the cell, do not drift."
        )
    return notes


def _on_settings(pairs: Sequence[Pair]) -> list[str]:
    differing: dict[str, set[tuple[str, str]]] = {}
    for pair in pairs:
        for key, (a, b) in pair.differing.items():
            differing.setdefault(key, set()).add((str(a), str(b)))
    texts = [f"{key} ({_listed({f'{a} and {b}' for a, b in values})})" for key, values in differing.items()]
    notes = [f"Some matched cells differ in more than was named: {'; '.join(texts)}."] if texts else []
    same = sum(pair.is_one_cell for pair in pairs)
    if same:
        notes.append(f"Of {len(pairs)} pairs {same} {'is' if same == 1 else 'are'} one measurement set against itself.")
    return notes


def _sides(pair: Pair) -> tuple[Cell, Cell]:
    return pair.a, pair.b


def _present(cells: Sequence[Cell]) -> str:
    """Return the default metrics that some cell has, times with the number of their samples."""
    columns = {name: f"{name}_samples" if name in TIMED else name for name in (*DEFAULT, *SECONDS)}
    names = [name for name, column in columns.items() if any(_has_values(cell.good[column]) for cell in cells)]
    return " and ".join(names) or "none of the usual ones"


def _has_values(column: "pd.Series[Any]") -> bool:
    return any(listed(value) or (isinstance(value, float) and value == value) for value in column)


def _some(texts: Sequence[str]) -> str:
    """Return the first few texts, and the number of further ones."""
    distinct = list(dict.fromkeys(texts))
    more = len(distinct) - _NAMED
    return "; ".join(distinct[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
