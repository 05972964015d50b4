"""The tables of a report: texts for readers, and values for sorting rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

import pandas as pd

from moebench.reports.quantities import written_points

Better = Literal["higher", "lower"] | None


@dataclass(frozen=True)
class Field:
    """A column of a table: its key, its heading, its alignment and its sort order."""

    key: str
    title: str
    number: bool = True
    better: Better = None
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """A table: for each field a text and a value in each row."""

    name: str
    title: str
    fields: tuple[Field, ...]
    texts: dict[str, list[str]]
    values: dict[str, list[Any]]
    cells: list[int]
    """Position of each row's cell among the cells of the results; empty if rows are no cells."""

    @property
    def rows(self) -> list[list[str]]:
        """Texts row by row."""
        return [list(row) for row in zip(*(self.texts[field.key] for field in self.fields), strict=True)]


Filled = tuple[Field, list[str], list[Any]]
"""A field with its texts and values."""


def make(name: str, title: str, fields: Iterable[Filled], cells: Iterable[int] = ()) -> Table:
    """Return a table of filled fields; a table without rows has no field.

    Args:
        name: the name by which a page positions the table.
        title: the title for readers.
        fields: fields with their texts and values.
        cells: position of each row's cell; empty if rows are no cells.
    """
    filled = [(field, texts, values) for field, texts, values in fields if texts]
    return Table(
        name,
        title,
        tuple(field for field, _, _ in filled),
        {field.key: texts for field, texts, _ in filled},
        {field.key: values for field, _, values in filled},
        list(cells),
    )


def points(difference: float, low: float, high: float) -> str:
    """Return a difference of shares in points, with its interval."""
    if isnan(difference):
        return "–"
    bounds = "" if isnan(low) else f" [{written_points(low)}, {written_points(high)}]"
    return written_points(difference) + bounds


def known(value: Any) -> str:
    """Return a value as text; a dash if there is none."""
    if pd.isna(value):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
