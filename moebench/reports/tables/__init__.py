"""The tables of a report, made once for page, Markdown and terminal."""

from collections.abc import Collection

from moebench.reports.analysis.cells import Results
from moebench.reports.tables.of_cells import cell_texts, failed, health, main, timing, timing_quality, tuning
from moebench.reports.tables.of_pairs import pairs
from moebench.reports.tables.of_suites import claims, divergence, environment, gains, slopes
from moebench.reports.tables.of_tasks import scores
from moebench.reports.tables.table import Field, Table

__all__ = [
    "Field",
    "Table",
    "all_tables",
    "cell_texts",
    "claims",
    "few_tables",
    "gains",
    "main",
    "pairs",
    "timing_quality",
]


def all_tables(results: Results) -> list[Table]:
    """Return the tables of a report that have rows, in their order."""
    made = (
        main(results),
        scores(results),
        pairs(results),
        gains(results),
        slopes(results.rows),
        divergence(results.rows),
        tuning(results),
        health(results),
        timing(results),
        failed(results),
        environment(results.rows),
    )
    return [table for table in made if table.texts]


def few_tables(results: Results, only: Collection[str]) -> list[Table]:
    """Return the tables of very many cells: only the named quantities, without intervals."""
    made = (main(results, only), timing(results, only), failed(results), environment(results.rows))
    return [table for table in made if table.texts]
