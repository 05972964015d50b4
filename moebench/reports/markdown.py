"""The report as Markdown, for a pull request or a paper's appendix: what the dashboard says, without its controls."""

from collections.abc import Callable, Hashable, Sequence
from math import isnan
from typing import Any

import pandas as pd

from moebench.errors import BadInput
from moebench.reports import flag_marks, run_facts
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.divergence import stability
from moebench.reports.analysis.expert_trend import trends
from moebench.reports.answer.sentence import answer
from moebench.reports.labels import shortened
from moebench.reports.quantities import titled, written_interval, written_points
from moebench.results import Column
from moebench.results.markdown_table import escaped, markdown_table
from moebench.results.schema import Section

MOST_ROWS = 200
"""Of a table; the dashboard and the Parquet files have them all."""

Row = dict[Hashable, Any]
Field = tuple[str, Callable[[Row], str]]
_RANK_GROUPS = {"best": "best", "tied": "not told from the best"}


def build(results: Results, title: str, question: str | None = None, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the whole report as Markdown that GitHub and pandoc read.

    Args:
        results: the rows and cells to report.
        title: the suite's name.
        question: the suite's question; None puts the title in its place.
        pictures: path, as the report refers to it, and caption of each figure.
    """
    cells: list[Row] = results.cells.to_dict("records")
    sparse = [cell for cell in cells if cell["router"] != "dense"]
    failed = [cell for cell in cells if cell["seeds_failed"]]
    slopes = trends(results.rows)
    slopes = slopes if slopes["slope"].notna().any() else slopes.iloc[:0]
    facts = "\n".join(f"- {name}: {escaped(fact)}" for name, fact in run_facts.facts(results).items())
    shown = [f"![{caption}](<{path}>)\n\n*{caption}*" for path, caption in pictures]
    parts = [
        f"# {escaped(question or title)}",
        escaped(answer(results, question)),
        f"Suite {escaped(title)}. Brackets hold 95 % intervals: over seeds for accuracy, over timed samples for times."
        f" {escaped(flag_marks.MARK)} stands before times that were measured under a flag.",
        facts,
        "## Results",
        _table([_LABEL, _STANDING, *_columns(results, "main"), _GAIN], cells),
        *shown,
        *_section("Accuracy for each doubling of the experts", _SLOPES, slopes.to_dict("records")),
        *_section("Divergence over learning rates", _STABILITY, _stability(results.rows)),
        *_section("Routing health", [_LABEL, *_columns(results, "health")], sparse),
        *([_meanings(run_facts.available(results.cells, "health"))] if sparse else []),
        *_section("Time and its quality", [_LABEL, *_columns(results, "timing"), _FLAGS], cells),
        *_on_times(results.cells),
        *_section("Failed cells", _FAILED, failed),
        "## Environment",
        _environment(run_facts.environments(results.rows)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, columns: Sequence[Field], rows: Sequence[Row]) -> list[str]:
    return [f"## {title}", _table(columns, rows)] if rows else []


def _table(columns: Sequence[Field], rows: Sequence[Row]) -> str:
    """A table of these rows; the first column is text, and numbers stand right."""
    shown = [[show(row) for _, show in columns] for row in rows[:MOST_ROWS]]
    table = markdown_table([name for name, _ in columns], shown, [False, *[True] * (len(columns) - 1)])
    return table if len(rows) <= MOST_ROWS else f"{table}\n\nThe first {MOST_ROWS} of {len(rows):,} rows."


def _meanings(quantities: Sequence[Column]) -> str:
    """What the columns of these quantities say, for readers who do not know their names."""
    return "\n".join(f"- {of.title}: {escaped(of.meaning)}" for of in quantities)


def _on_times(cells: pd.DataFrame) -> list[str]:
    """How times are to be read, and what the flags mean that some cell has."""
    if cells["train_step_s"].isna().all():
        return []
    note = f"{flag_marks.SECONDS}; {flag_marks.OWN_RATIO}."
    flags = [f"- {name.replace('_', ' ')}: {meaning}" for name, meaning in flag_marks.meanings(cells).items()]
    return [note[0].upper() + note[1:], *(["\n".join(flags)] if flags else [])]


def _columns(results: Results, section: Section) -> list[Field]:
    return [(titled(of), _interval(of)) for of in run_facts.available(results.cells, section)]


def _interval(of: Column) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        low, high = (row.get(f"{of.name}_ci_{end}", float("nan")) for end in ("low", "high"))
        return flag_marks.mark(row, of.name) + written_interval(row[of.name], low, high, of.kind)

    return show


def _points(key: str, low: str, high: str) -> Callable[[Row], str]:
    """A difference of shares in points, with its interval."""

    def show(row: Row) -> str:
        if isnan(row[key]):
            return "–"
        bounds = "" if isnan(row[low]) else f" [{written_points(row[low])}, {written_points(row[high])}]"
        return written_points(row[key]) + bounds

    return show


_LABEL: Field = ("Cell", lambda row: shortened(str(row["label"]), 100))
_STANDING: Field = (
    "Accuracy is",
    lambda row: _RANK_GROUPS.get(str(row["rank_group"]), "") if row["seeds"] else f"none: {row['status']}",
)
_GAIN: Field = (
    "Points from dense",
    _points("accuracy_vs_dense", "accuracy_vs_dense_ci_low", "accuracy_vs_dense_ci_high"),
)
_FLAGS: Field = ("Flags", lambda row: flag_marks.in_words(row["timing_flags"]))
_SLOPES: tuple[Field, ...] = (
    ("Router", lambda row: str(row["router"])),
    ("Setting", lambda row: f"{row['model']}, {row['data']}, {row['device_kind']}"),
    ("Points", _points("slope", "low", "high")),
    ("Numbers of experts", lambda row: str(row["levels"])),
)
_STABILITY: tuple[Field, ...] = (
    _LABEL,
    ("Learning rates", lambda row: f"{row['rates']} from {row['lowest']:g} to {row['highest']:g}"),
    ("First divergence", lambda row: _known(row["first"])),
    ("Seeds", lambda row: "–" if isnan(row["first"]) else f"{row['diverged']} of {row['seeds']}"),
    ("All seeds from", lambda row: _known(row["all"])),
    ("Step", lambda row: _known(row["step"])),
)
_FAILED: tuple[Field, ...] = (
    _LABEL,
    ("Failed seeds", lambda row: f"{row['seeds_failed']} of {row['seeds'] + row['seeds_failed']}"),
    ("State", lambda row: str(row["status"])),
    ("Reason", lambda row: _known(row["status_reason"])),
)


def _stability(rows: pd.DataFrame) -> list[Row]:
    try:
        return stability(rows).to_dict("records")
    except BadInput:  # one learning rate alone
        return []


def _environment(found: pd.DataFrame) -> str:
    """A column for each environment, a line for each of its properties."""

    def of(place: int) -> Callable[[Row], str]:
        return lambda row: _known(row["values"][place])

    rows: list[Row] = [{"name": name.replace("_", " "), "values": found[name].tolist()} for name in found.columns]
    heads = ["Value"] if len(found) == 1 else [f"Environment {place + 1}" for place in range(len(found))]
    named: Field = ("What", lambda row: str(row["name"]))
    return _table([named, *[(head, of(place)) for place, head in enumerate(heads)]], rows)


def _known(value: Any) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
