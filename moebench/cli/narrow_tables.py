"""Tables as wide as the terminal allows: where a row does not fit, it takes several lines, and nothing is cut."""

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_ANY_WIDTH = 10_000
_INDENT = 2


def print_table(console: "Console", table: Table, keys: int = 1) -> None:
    """Print a table, its title above and its caption below.

    Where the terminal is too narrow, what names a row stands on a line of its own above the row's numbers; where these
    do not fit either, each number has a line, behind its heading.

    Args:
        console: where to.
        table: its cells are of one line each.
        keys: how many columns name a row.
    """
    title, caption, table.title, table.caption = table.title, table.caption, None, None
    if title:
        console.print(title, style="italic", soft_wrap=not console.is_terminal)
    numbers = _without(table, keys)
    if _width(console, table) <= console.width:
        console.print(table)
    elif _width(console, numbers) <= console.width:
        _print_keyed(console, table, numbers, keys)
    else:
        _print_listed(console, table, keys)
    if caption:
        console.print(caption, style="dim", soft_wrap=not console.is_terminal)


def _width(console: "Console", table: Table) -> int:
    """Without anything being cut or broken."""
    return console.measure(table, options=console.options.update_width(_ANY_WIDTH)).maximum


def _texts(table: Table) -> list[list[Text]]:
    """The headings, and under them the rows."""
    columns = [[column.header, *column.cells] for column in table.columns]
    return [
        [cell if isinstance(cell, Text) else Text.from_markup(str(cell)) for cell in row]
        for row in zip(*columns, strict=True)
    ]


def _without(table: Table, keys: int) -> Table:
    """The table of the numbers alone."""
    headings, *rows = _texts(table)
    numbers = Table(box=None, pad_edge=False, header_style=table.header_style)
    for column, heading in zip(table.columns[keys:], headings[keys:], strict=True):
        numbers.add_column(heading, justify=column.justify, no_wrap=True)
    for row in rows:
        numbers.add_row(*row[keys:])
    return numbers


def _print_keyed(console: "Console", table: Table, numbers: Table, keys: int) -> None:
    width = _width(console, numbers)
    indent = Segment(" " * min(_INDENT, console.width - width))
    lines = console.render_lines(numbers, console.options.update_width(width), pad=False)
    for place, (row, line) in enumerate(zip(_texts(table), lines, strict=True)):
        console.print(_key(row, keys), style=table.header_style if place == 0 else None)
        text = Text("").join([Text(part.text, part.style or "") for part in (indent, *line)])
        text.rstrip()
        console.print(text)


def _print_listed(console: "Console", table: Table, keys: int) -> None:
    headings, *rows = _texts(table)
    width = max(len(heading) for heading in headings[keys:])
    for row in rows:
        console.print(_key(row, keys), style=table.header_style)
        for heading, value in zip(headings[keys:], row[keys:], strict=True):
            if value:
                console.print(Text(f"{'':{_INDENT}}{heading.plain:<{width}}  ").append_text(value))


def _key(row: list[Text], keys: int) -> Text:
    return Text("  ").join(part for part in row[:keys] if part)
