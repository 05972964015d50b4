"""Lay out the panels of figures, in figures of their own or in given axes."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.figures.layout import Drawing, Layout
from moebench.reports.labels import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 7
"""Panels with a title that fit side by side."""
_MARGIN, _LETTER = 0.15, 0.068
"""Inches between panels, and of a letter of a title."""


def panels(layout: Layout, frame: pd.DataFrame, rows: int, columns: int, height: float) -> tuple[Drawing, np.ndarray]:
    """Return a figure of `frame` and its Axes[rows, columns], one below another in one column.

    Args:
        layout: place and size of the figure.
        frame: the numbers that are drawn.
        rows: how many rows of panels.
        columns: how many panels side by side, if the figure is wide.
        height: inches of a panel.
    """
    across = columns if layout.columns > 1 else 1
    figure, axes = grid(layout, frame, rows * columns // across, across, height)
    return figure, axes.reshape(rows, columns)


def grid(
    layout: Layout, frame: pd.DataFrame, rows: int, columns: int, height: float, **options: Any
) -> tuple[Drawing, np.ndarray]:
    """Return a figure of `frame` and its Axes[rows, columns], each row `height` inches high.

    Raises:
        BadInput: the caller's axes are fewer than the figure's panels.
    """
    figure = Drawing(layout, frame, height * rows + 0.5)
    if layout.axes:
        axes = np.array(_given(layout, rows * columns), dtype=object).reshape(rows, columns)
    else:
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def two_rows(
    layout: Layout, frame: pd.DataFrame, above: int, below: int, heights: tuple[float, float]
) -> tuple[Drawing, list["Axes"], list["Axes"]]:
    """Return a figure of `frame` with `above` panels over `below` panels.

    At most as many panels stand side by side as `side_by_side` says.

    Args:
        layout: place and size of the figure.
        frame: the numbers that are drawn.
        above: panels of the upper part.
        below: panels of the lower part.
        heights: inches of a row of panels in either part.
    """
    if layout.axes:
        given = _given(layout, above + below)
        return Drawing(layout, frame, sum(heights)), given[:above], given[above:]
    across = [side_by_side(layout, count) for count in (above, below)]
    lines = [-(-count // beside) for count, beside in zip((above, below), across, strict=True)]
    tall = [height * count for height, count in zip(heights, lines, strict=True)]
    figure = Drawing(layout, frame, sum(tall) + 0.5)
    parts = figure.subfigures(2, 1, height_ratios=tall, squeeze=False)[:, 0]
    rows = []
    for part, count, down, beside in zip(parts, (above, below), lines, across, strict=True):
        axes = part.subplots(down, beside, squeeze=False).flatten()
        for each in axes:
            each.spines[["top", "right"]].set_visible(False)
        for each in axes[count:]:
            each.remove()
        rows.append(list(axes[:count]))
    return figure, rows[0], rows[1]


def side_by_side(layout: Layout, count: int) -> int:
    """Return how many of `count` panels stand side by side.

    In one column two panels fit, in two columns seven; more panels are spread evenly over rows.
    """
    if layout.columns == 1:
        return min(count, 2)
    return -(-count // -(-count // _ACROSS))


def axes_of(ax: object) -> "tuple[Axes, ...]":
    """Return the axes that a caller gives to draw in, in reading order.

    A caller gives axes or an array of axes.

    Raises:
        BadInput: something else is given.
    """
    from matplotlib.axes import Axes

    if ax is None:
        return ()
    found = tuple(np.ravel(np.array(ax, dtype=object)))
    if not found or not all(isinstance(each, Axes) for each in found):
        raise BadInput(f"'ax' should be matplotlib axes or an array of them, not {type(ax).__name__}.")
    return found


def _given(layout: Layout, count: int) -> "list[Axes]":
    if len(layout.axes) < count:
        raise BadInput(
            f"the figure has {count} panels here and 'ax' {len(layout.axes)}: give as many axes as panels, or choose "
            "fewer columns, models, data sets or devices."
        )
    return list(layout.axes[:count])


def groups(points: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return the groups of points that share a row of panels.

    A group has a name of its setting, and a mask of its rows.
    """
    varying = [key for key in keys if points[key].nunique(dropna=False) > 1]
    if not varying:
        return [("", np.ones(len(points), bool))]
    found = []
    for _, group in points.groupby(varying, dropna=False, sort=False):
        name = " · ".join(shortened(str(value), 40) for value in group[varying].iloc[0])
        found.append((plain(name), np.asarray(points.index.isin(group.index))))
    return found


def letters(inches: float) -> int:
    """Return the number of letters of a title above a panel of this width.

    The width includes the panel's share of the margins.
    """
    return max(8, int((inches - _MARGIN) / _LETTER))


def in_lines(text: str, inches: float) -> str:
    """Return a router's name for the title of a panel, in two lines if needed.

    Two lines are needed if the name is too long and has a hyphen.
    """
    room = letters(inches)
    return "\n".join(plain(shortened(line, room)) for line in textwrap.wrap(shortened(text, 2 * room), room))


def plain(text: str) -> str:
    """Return text that matplotlib draws unchanged: no formulas, nothing that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")
