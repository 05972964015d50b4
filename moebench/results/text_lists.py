"""Convert the lists of a result table back from the texts in CSV files."""

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from moebench.errors import BadInput, shortened
from moebench.results.schema import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

_TOKEN = re.compile(r"\[|\]|'[^']*'|\"[^\"]*\"|[^\s,\[\]()]+")
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None, "NaN": float("nan")}
LISTS = [field.name for field in SCHEMA if pa.types.is_nested(field.type)]
"""Columns whose values are lists."""


def with_lists(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a result table with lists in place of the texts of lists.

    A CSV file turns lists into texts.

    Args:
        frame: the result table; it is not changed.

    Raises:
        BadInput: a text is no list, or its middle was left out when the file was written.
    """
    read = {}
    for name in LISTS:
        if name in frame and frame[name].map(lambda value: isinstance(value, str)).any():
            read[name] = [_read(value, name) if isinstance(value, str) else value for value in frame[name]]
    return frame.assign(**read) if read else frame


def _read(text: str, column: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return _nested(text)
    except ValueError:
        raise BadInput(
            f"the column '{column}' holds the text '{shortened(text)}', which is not a whole list: pandas cuts "
            "long lists in CSV. Load the Parquet files (moebench.load), or write CSV by `moebench results export`."
        ) from None


def _nested(text: str) -> list[Any]:
    """Return the list that Python or NumPy printed.

    Raises:
        ValueError: the text is anything else.
    """
    outer: list[Any] = []
    open_lists = [outer]
    for token in _TOKEN.findall(text):
        if token == "[":
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif token == "]":
            open_lists.pop()
            if not open_lists:
                raise ValueError(text)
        elif token != "array" and not token.startswith("dtype="):
            open_lists[-1].append(_value(token))
    if len(open_lists) != 1 or len(outer) != 1 or not isinstance(outer[0], list):
        raise ValueError(text)
    return outer[0]


def _value(token: str) -> Any:
    if token[0] in "'\"":
        return token[1:-1]
    if token in _WORDS:
        return _WORDS[token]
    return float(token) if re.search(r"[.eEnN]", token) else int(token)
