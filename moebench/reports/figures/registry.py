"""The registry of figures: one entry for each, the source of every list of figures."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

from moebench.errors import BadInput, unknown
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.figures.layout import PAPER, Drawing, Layout
from moebench.spec.figure_names import FIGURES, ROUTING_FIGURES, Figure

Axis = Literal["x", "y"]
Choice = Literal["one column", "several columns"]
Draw = Callable[..., Drawing]


@dataclass(frozen=True)
class FigureEntry:
    """A figure: its name, the function that draws it, and facts for readers and callers."""

    name: Figure
    draw: Draw
    caption: str
    needs: tuple[str, ...]
    """Columns in which some row must have a value."""
    axes: Mapping[Axis, Choice]
    """Axes that a caller may choose."""


_ENTRIES: dict[str, FigureEntry] = {}


def figure(
    name: Figure, *, caption: str, needs: Sequence[str] = (), axes: Mapping[Axis, Choice] | None = None
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the figure of a name.

    The function is called with `Results`, axes and `layout=`.

    Args:
        name: the name in `moebench.spec.figure_names`.
        caption: the sentence under the figure in reports.
        needs: columns in which some row must have a value.
        axes: the axes that a caller may choose, and whether an axis takes several columns.
    """

    def register(draw: Draw) -> Draw:
        _ENTRIES[name] = FigureEntry(name, draw, caption, tuple(needs), axes or {})
        return draw

    return register


@cache
def entries() -> dict[str, FigureEntry]:
    """Return the entries of all figures by their names, in the order of `moebench.spec.figure_names`."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")
    return {name: _ENTRIES[name] for name in FIGURES}


def check(name: str, **axes: object) -> FigureEntry:
    """Return the entry of a figure, after a check that its axes may be chosen.

    Args:
        name: the figure's name.
        axes: the chosen axes; None for an axis that is not chosen.

    Raises:
        BadInput: the figure does not exist, or an axis cannot be chosen.
    """
    if name not in entries():
        raise unknown("figure", name, (*entries(), *ROUTING_FIGURES))
    entry = entries()[name]
    for axis, chosen in axes.items():
        if chosen is not None and axis not in entry.axes:
            open_ones = [each.name for each in entries().values() if axis in each.axes]
            raise BadInput(f"{axis} of the figure '{name}' is fixed; it can be chosen for {', '.join(open_ones)}.")
    return entry


def draw(name: str, results: Results, layout: Layout = PAPER, **axes: str | Sequence[str] | None) -> Drawing:
    """Draw a figure of results.

    Args:
        name: the figure's name.
        results: the rows and cells to draw.
        layout: place and size of the figure.
        axes: columns for `x` and `y`; None leaves the choice to the figure.

    Raises:
        BadInput: the figure, an axis or a column does not exist, or the results have nothing to draw.
    """
    entry = check(name, **axes)
    for column in entry.needs:
        if not results.rows[column].map(_holds).any():
            raise BadInput(f"nothing to draw: no row has a value of {column}.")
    chosen = {axis: _columns(name, axis, entry.axes[axis], given) for axis, given in _given(axes).items()}
    return entry.draw(results, layout=layout, **chosen)


def _given(axes: Mapping[str, Any]) -> dict[Axis, Any]:
    return {axis: axes[axis] for axis in ("x", "y") if axes.get(axis) is not None}


def _columns(name: str, axis: Axis, choice: Choice, given: str | Sequence[str]) -> str | list[str]:
    """Return the columns of an axis in the figure's form.

    The form is a list if the axis takes several columns, else one name.
    """
    columns = [given] if isinstance(given, str) else list(given)
    if choice == "several columns":
        return columns
    if len(columns) != 1:
        raise BadInput(f"{axis} of the figure '{name}' takes one column, not {len(columns)}.")
    return columns[0]


def _holds(value: object) -> bool:
    """Return whether a value is not missing.

    Lists with elements, and numbers that are not NaN, are not missing.
    """
    return bool(listed(value)) or (not hasattr(value, "__len__") and value is not None and value == value)
