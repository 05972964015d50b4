"""CSV files that a spreadsheet opens without running their contents."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv

from moebench.errors import printable

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"\s*[=+\-@]|[\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def spreadsheet_text(text: str) -> str:
    """Return a text that a spreadsheet shows and does not run as a formula.

    Control characters are escaped.
    """
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def write_csv_table(table: pa.Table, path: Path) -> None:
    """Write an Arrow table; lists become JSON."""
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            values = [None if value is None else json.dumps(value) for value in table[field.name].to_pylist()]
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            values = [None if value is None else spreadsheet_text(value) for value in table[field.name].to_pylist()]
        else:
            continue
        table = table.set_column(place, field.name, pa.array(values, pa.string()))
    # In one piece, since older versions of Arrow repeat the header for each empty piece.
    pyarrow.csv.write_csv(table.combine_chunks(), path)


def write_csv_frame(frame: "pd.DataFrame", path: Path) -> None:
    """Write a pandas frame without its index."""
    texts = frame.select_dtypes(exclude="number").columns
    frame.assign(**{str(name): frame[name].map(_shown) for name in texts}).to_csv(path, index=False)


def _shown(value: Any) -> Any:
    return spreadsheet_text(value) if isinstance(value, str) else value
