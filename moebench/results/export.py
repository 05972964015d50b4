"""Results for other programs: CSV, one plain Parquet file, or a markdown table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from moebench.errors import BadInput
from moebench.files import publishing
from moebench.results.csv_files import write_csv_table
from moebench.results.loading import gather
from moebench.results.markdown_table import markdown_table
from moebench.results.parquet_files import Problem, write_parquet
from moebench.results.schema import in_section

MARKDOWN_COLUMNS = tuple(each.name for each in in_section("export"))
"""Columns of a Markdown table by default; all columns would be too wide to read."""


def export(
    path: Path | str, root: Path | str = "results", suite: str | None = None, columns: Sequence[str] | None = None
) -> tuple[Path, list[Problem]]:
    """Write the rows of `load` as .csv, .parquet or .md, by the ending of `path`.

    CSV writes lists as JSON text, times as ISO 8601, and null as an empty field; a text that a spreadsheet would run as
    a formula begins with an apostrophe. Parquet keeps all types and can be read by DuckDB, pandas or R. Markdown shows
    `MARKDOWN_COLUMNS` with four significant digits.

    Args:
        path: the file to write.
        root: a results folder, or the folder of one suite in it.
        suite: one suite; None: all suites.
        columns: names of columns; None: all columns, or `MARKDOWN_COLUMNS` for Markdown.

    Returns:
        The path, and the result files that could not be read.

    Raises:
        BadInput: the ending is unknown, or an argument is one that `load` rejects.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise BadInput(f"cannot export to '{path.name}': its ending must be one of {', '.join(_WRITERS)}")
    if columns is None and writer is _markdown:
        columns = MARKDOWN_COLUMNS
    table, problems = gather(root, suite, columns)
    with publishing(path) as temporary:
        writer(table, temporary)
    return path, problems


def _markdown(table: pa.Table, path: Path) -> None:
    rows = list(zip(*([_cell(value) for value in column.to_pylist()] for column in table.columns), strict=True))
    numbers = [_is_number(field.type) for field in table.schema]
    path.write_text(markdown_table(table.column_names, rows, numbers) + "\n", encoding="utf-8")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    ".csv": write_csv_table,
    ".parquet": write_parquet,
    ".md": _markdown,
}
