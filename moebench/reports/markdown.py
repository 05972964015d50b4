"""Write a suite's report as Markdown, for a pull request or a paper's appendix."""

from collections.abc import Sequence

import pandas as pd

from moebench.reports import flag_marks, run_facts
from moebench.reports.analysis.cells import Results
from moebench.reports.answer.sentence import answer, details
from moebench.reports.labels import shortened
from moebench.reports.tables import Table, all_tables, claims
from moebench.results.markdown_table import escaped, markdown_table

MOST_ROWS = 200
"""Rows of a table; the page and the Parquet files have all rows."""
_LONGEST_NAME = 100


def build(results: Results, title: str, question: str | None = None, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the whole report as Markdown that GitHub and pandoc read.

    Args:
        results: the rows and cells to report.
        title: the suite's name.
        question: the suite's question; None puts the title in its place.
        pictures: path, relative to the report, and caption of each figure.
    """
    first, *others = all_tables(results)
    shown = [f"![{caption}](<{path}>)\n\n*{caption}*" for path, caption in pictures]
    parts = [
        f"# {escaped(question or title)}",
        escaped(answer(results)),
        escaped(details(results)),
        *_section(claims(results.verdicts)),
        f"Suite {escaped(title)}. Brackets hold 95 % confidence intervals: over seeds for accuracy, over timed samples "
        f"for times. {escaped(flag_marks.MARK)} marks times that were measured under a flag.",
        "\n".join(f"- {name}: {escaped(fact)}" for name, fact in run_facts.facts(results).items()),
        *_section(first),
        *shown,
    ]
    for table in others:
        parts += _section(table)
        if table.name == "timing":
            parts += _on_times(results.cells)
    return "\n\n".join(parts) + "\n"


def _section(table: Table) -> list[str]:
    """Return a table under its title, and the meanings of its headings.

    The list is empty for an empty table.
    """
    if not table.texts:
        return []
    rows = [[shortened(row[0], _LONGEST_NAME), *row[1:]] for row in table.rows[:MOST_ROWS]]
    text = markdown_table([field.title for field in table.fields], rows, [field.number for field in table.fields])
    meanings = [f"- {field.title}: {escaped(field.meaning)}" for field in table.fields if field.meaning]
    left_out = [f"The first {MOST_ROWS} of {len(table.rows):,} rows."] if len(table.rows) > MOST_ROWS else []
    return [f"## {table.title}", text, *left_out, *(["\n".join(meanings)] if meanings else [])]


def _on_times(cells: pd.DataFrame) -> list[str]:
    """Return how to read times, and the meanings of the flags that some cell has."""
    note = "; ".join(filter(None, (flag_marks.SECONDS, flag_marks.OWN_RATIO, flag_marks.clocks(cells)))) + "."
    flags = [f"- {name.replace('_', ' ')}: {meaning}" for name, meaning in flag_marks.meanings(cells).items()]
    return [note[0].upper() + note[1:], *(["\n".join(flags)] if flags else [])]
