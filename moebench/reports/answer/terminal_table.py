"""Tables of a suite for the terminal: cells, claims' verdicts, parts of a gain."""

from collections.abc import Hashable, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd

from moebench.claims.verdict import Verdict
from moebench.claims.written import HEADINGS, STYLES, lines
from moebench.reports import flag_marks
from moebench.reports.answer import layer_times
from moebench.reports.answer.sentence import accuracy
from moebench.reports.labels import shortened
from moebench.reports.quantities import written, written_points
from moebench.reports.tables import Table as Content

if TYPE_CHECKING:
    from rich.table import Table

Cell = dict[Hashable, Any]
_HEADINGS = ("accuracy", "points over dense", "FLOPs/image", "train step", "× dense")
_MARKS = {"best": "●", "tied": "○"}


def render_claims(verdicts: Sequence[Verdict]) -> "Table":
    """Return the verdicts on a suite's claims as a table for the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading)
    for each, line in zip(verdicts, lines(verdicts), strict=True):
        table.add_row(*map(Text, line[:-1]), Text(line[-1], style=STYLES[each.verdict]))
    return table


def render_table(cells: pd.DataFrame) -> "Table":
    """Return the summary as a table for the terminal.

    ● marks the best cell, ○ cells not significantly lower.

    Args:
        cells: `Results.ranked`.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    trained = cells["accuracy"].notna().any() or cells["train_step_vs_dense"].isna().all()
    marks = "● highest accuracy  ○ not significantly lower, corrected for all pairs  " if trained else ""
    table.caption_justify = "left"
    table.caption = "\n".join(filter(None, (marks + "\\[ ] 95 % interval", *_on_times(cells))))
    for heading in ("cell", *(_HEADINGS if trained else layer_times.HEADINGS)):
        table.add_column(heading, justify="left" if heading == "cell" else "right", no_wrap=heading != "cell")
    for cell in cells.to_dict("records"):
        # Text objects, because rich would interpret the brackets of a label as markup.
        name = Text(f"{_MARKS.get(str(cell['rank_group']), ' ')} {shortened(cell['label'])}")
        if cell["seeds_failed"]:
            planned = cell["seeds"] + cell["seeds_failed"]
            name.append(f" {cell['seeds']} of {planned} seeds", style="red")
        if cell["seeds"]:
            table.add_row(name, *(Text(text) for text in (_numbers if trained else layer_times.numbers)(cell)))
        else:
            table.add_row(name, Text(str(cell["status"]), style="red"))
    return table


def render_texts(content: Content) -> "Table":
    """Return a table of a report as a table for the terminal, its title above."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", title=content.title)
    for field in content.fields:
        table.add_column(field.title, justify="right" if field.number else "left")
    for row in content.rows:
        table.add_row(*map(Text, row))
    return table


def _numbers(cell: Cell) -> tuple[str, ...]:
    gain, low, high = (cell[f"accuracy_vs_dense{end}"] for end in ("", "_ci_low", "_ci_high"))
    return (
        accuracy(cell),
        ""
        if isnan(gain)
        else written_points(gain) + ("" if isnan(low) else f" [{written_points(low)}, {written_points(high)}]"),
        written(cell["flops_forward_per_image"], "FLOPs").removesuffix("FLOPs"),
        flag_marks.mark(cell, "train_step_s") + written(cell["train_step_s"], "s"),
        flag_marks.mark(cell, "train_step_vs_dense") + written(cell["train_step_vs_dense"], "ratio"),
    )


def _on_times(cells: pd.DataFrame) -> list[str]:
    """Return the note under the table about its times."""
    lines = []
    if flag_marks.note(cells, ["train_step_s"]):
        flagged = flag_marks.flagged(cells, ["train_step_s"])
        lines.append(f"{flag_marks.MARK} timing of {flagged}: moebench show timing_flags")
    if cells["train_step_vs_dense"].notna().any():
        lines.append("compare times by the ratio to dense, timed in turns; dense's own is off 1 by the timing's error")
        lines.append(flag_marks.clocks(cells))
    return lines
