"""Explain figures: one legend above the panels, a note below them."""

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any

from moebench.reports import style
from moebench.reports.figures.axes import plain
from moebench.reports.figures.layout import Drawing
from moebench.reports.labels import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist


def legend(figure: Drawing, routers: Iterable[str], note: str) -> None:
    """Put a legend of routers above the panels, and a note below them."""
    from matplotlib.lines import Line2D

    handles = {
        plain(shortened(name, 40)): Line2D(
            [], [], color=style.style_of(name).color, marker=style.style_of(name).marker, markersize=5, linewidth=1.2
        )
        for name in style.in_order(routers)
    }
    explain(figure, handles, note)


def parts_legend(figure: Drawing, parts: Mapping[str, str], note: str) -> None:
    """Put a legend of bar parts and their colours above the panels, a note below."""
    from matplotlib.patches import Patch

    explain(figure, {name: Patch(color=color) for name, color in parts.items()}, note)


def noted(*parts: str) -> str:
    """Return the parts of a note that are not empty, as one line."""
    return " · ".join(filter(None, parts))


def explain(figure: Drawing, handles: Mapping[str, "Artist"], note: str) -> None:
    """Put one legend above the panels, unless it is empty, and a note below them.

    Args:
        figure: the figure.
        handles: signs by their names.
        note: text of the note.
    """
    if figure.given:
        # The caller's figure has no room reserved above its panels or below them.
        figure.given[0].legend(list(handles.values()), list(handles), frameon=False)
        return
    width = figure.get_figwidth()
    lines = 1
    if handles:
        # A letter of 8 points takes about a sixteenth of an inch, a sign and its space half an inch.
        columns = max(1, int(width / (0.5 + max(map(len, handles)) / 16)))
        # Lines of equal length, so that no line has a single name.
        lines = -(-len(handles) // columns)
        columns = -(-len(handles) // lines)
        options: dict[str, Any] = {"loc": "outside upper center", "ncols": columns, "frameon": False}
        figure.legend(list(handles.values()), list(handles), **options)
    note = fill(note, int(20 * width))
    figure.supxlabel(note, fontsize=6.5, color="#666666")
    # Panels keep their height: further lines of legend and note make the figure higher, by the inches of a line.
    figure.set_figheight(figure.get_figheight() + 0.17 * (lines - 1) + 0.11 * note.count("\n"))
