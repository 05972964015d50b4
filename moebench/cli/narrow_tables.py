"""Print tables as wide as the terminal allows without cutting a number."""

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_ANY_WIDTH = 10_000
_NAME_WIDTH = 16
"""Letters of a name that a line should have room for; a name broken more often is hard to read."""


def print_table(console: "Console", table: Table, keys: int = 1) -> None:
    """Print a table, its title above and its caption below.

    In a narrow terminal the names of rows are broken into lines; in a narrower one each row is printed as a list of
    headings and values.

    Args:
        console: the terminal or pipe.
        table: a table whose cells have one line each.
        keys: the number of columns, from the left, that name a row.
    """
    title, caption, table.title, table.caption = table.title, table.caption, None, None
    if title:
        console.print(title, style="italic", soft_wrap=not console.is_terminal)
    names = [max(text.cell_len for text in column) for column in list(zip(*_texts(table), strict=True))[:keys]]
    spare = sum(max(0, width - _NAME_WIDTH) for width in names)
    for place, column in enumerate(table.columns):
        column.no_wrap, column.overflow = place >= keys, "fold"
    full = console.measure(table, options=console.options.update_width(_ANY_WIDTH)).maximum
    if full - spare <= console.width:
        console.print(table)
    else:
        _print_records(console, table, keys)
    if caption:
        console.print(caption, style="dim", soft_wrap=not console.is_terminal)


def _texts(table: Table) -> list[list[Text]]:
    """Return the headings and, below them, the rows."""
    columns = [[column.header, *column.cells] for column in table.columns]
    return [
        [cell if isinstance(cell, Text) else Text.from_markup(str(cell)) for cell in row]
        for row in zip(*columns, strict=True)
    ]


def _print_records(console: "Console", table: Table, keys: int) -> None:
    headings, *rows = _texts(table)
    for row in rows:
        console.print(Text("  ").join(filter(None, row[:keys])), style=table.header_style)
        record = Table.grid(padding=(0, 2))
        for heading, value in zip(headings[keys:], row[keys:], strict=True):
            if value:
                record.add_row(heading, value)
        console.print(Padding(record, (0, 0, 0, 2)))
