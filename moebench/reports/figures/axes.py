"""What the figures share: panels, axes that know their quantity, one legend of routers, publishing files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from moebench.errors import BadInput, unknown
from moebench.files import publishing
from moebench.reports import style
from moebench.reports.figures.layout import Drawing, Layout, look
from moebench.reports.labels import shortened
from moebench.reports.quantities import titled
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Format = Literal["png", "svg", "pdf"]
_TICK_UNITS = {"s": "s", "FLOPs": "", "bytes": "B", "FLOPs/s": "FLOPs/s", "bytes/s": "B/s", "count": ""}


def panels(layout: Layout, frame: pd.DataFrame, rows: int, columns: int, height: float) -> tuple[Drawing, np.ndarray]:
    """A figure of `frame` with Axes[rows, columns], each `height` inches high; in one column all under each other."""
    across = columns if layout.columns > 1 else 1
    figure, axes = grid(layout, frame, rows * columns // across, across, height)
    return figure, axes.reshape(rows, columns)


def grid(
    layout: Layout, frame: pd.DataFrame, rows: int, columns: int, height: float, **options: Any
) -> tuple[Drawing, np.ndarray]:
    """Return a figure of `frame` and its Axes[rows, columns], each row `height` inches high.

    Raises:
        BadInput: the figure is to be drawn in fewer axes than it has panels.
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
    """A figure of `frame` with `above` panels over `below` others, the rows so many inches high.

    In one column no more than two panels stand side by side.
    """
    if layout.axes:
        given = _given(layout, above + below)
        return Drawing(layout, frame, sum(heights)), given[:above], given[above:]
    across = max(above, below) if layout.columns > 1 else 2
    lines = [-(-count // across) for count in (above, below)]
    tall = [height * count for height, count in zip(heights, lines, strict=True)]
    figure = Drawing(layout, frame, sum(tall) + 0.5)
    parts = figure.subfigures(2, 1, height_ratios=tall, squeeze=False)[:, 0]
    rows = []
    for part, count, down in zip(parts, (above, below), lines, strict=True):
        axes = part.subplots(down, min(count, across), squeeze=False).flatten()
        for each in axes:
            each.spines[["top", "right"]].set_visible(False)
        for each in axes[count:]:
            each.remove()
        rows.append(list(axes[:count]))
    return figure, rows[0], rows[1]


def axes_of(ax: object) -> "tuple[Axes, ...]":
    """Return the axes that a caller gives to draw in, one or an array of them, in reading order.

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
    """What shares a row of panels: a name for each setting in which the points differ, and its rows."""
    varying = [key for key in keys if points[key].nunique(dropna=False) > 1]
    if not varying:
        return [("", np.ones(len(points), bool))]
    found = []
    for _, group in points.groupby(varying, dropna=False, sort=False):
        name = " · ".join(shortened(str(value), 40) for value in group[varying].iloc[0])
        found.append((plain(name), np.asarray(points.index.isin(group.index))))
    return found


def dress(axis: "Axis", of: Column) -> None:
    """Name an axis after its quantity and write its ticks as readers expect them."""
    from matplotlib.axis import YAxis
    from matplotlib.ticker import EngFormatter, FuncFormatter

    # A panel is seldom taller than this is long.
    axis.set_label_text(narrow(titled(of)) if isinstance(axis, YAxis) else titled(of))
    if of.kind == "share":
        # The margin of an axis may reach past 100 %, where no share can be.
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %" if 0 <= share <= 1 else ""))
    elif of.kind == "ratio":
        axis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g} ×"))
    elif of.kind in _TICK_UNITS:
        unit = _TICK_UNITS[of.kind]
        axis.set_major_formatter(EngFormatter(unit=unit))


def in_ratios(axes: "Axes") -> None:
    """A horizontal axis in equal ratios, with ticks at 1, 2 and 5 times powers of ten and none between them."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())


def narrow(title: str) -> str:
    """A title in lines of no more than 26 letters, broken at its comma if it has one."""
    return "\n".join(fill(part, 26) for part in re.split(r"(?<=,) ", title)) if len(title) > 26 else title


def bars(axes: "Axes", points: pd.DataFrame, color: str) -> None:
    """The intervals of points `x y` on the axes that have bounds, `x_low x_high y_low y_high`, where they have them."""
    form: dict[str, Any] = {"fmt": "none", "ecolor": color, "elinewidth": 0.8, "alpha": 0.6}
    for axis in ("x", "y"):
        if f"{axis}_low" in points:
            reach: dict[str, Any] = {f"{axis}err": _reach(points, axis)}
            axes.errorbar(points["x"], points["y"], **reach, **form)


def _reach(points: pd.DataFrame, axis: str) -> np.ndarray:
    """How far the bars reach below and above: float[2, points]."""
    low, high = points[axis] - points[f"{axis}_low"], points[f"{axis}_high"] - points[axis]
    # A median can lie on its bound, and rounding carry it past.
    return np.stack([low.clip(lower=0), high.clip(lower=0)]).astype(float)


def name_points(axes: "Axes", points: pd.DataFrame, names: Sequence[str], size: tuple[float, float]) -> None:
    """Write a name beside each point `x y` in the colour of its `router`, where it covers no point and no other name.

    Args:
        axes: with everything else drawn, so that its limits are known.
        names: of the points; nothing is written where empty.
        size: of the panel in inches, about.
    """
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=1.5, foreground="white")]
    to_panel = axes.transScale + axes.transLimits
    at = to_panel.transform(points[["x", "y"]].to_numpy(float)) * np.array(size) * 72
    # Middles of what is there already, and how far from one a middle of six points' height must stay.
    taken, clear = list(at), (6.0, 6.0)
    for place, name, xy, router in zip(at, names, points[["x", "y"]].to_numpy(float), points["router"], strict=True):
        if not name:
            continue
        sides = [np.array([across * (5 + 2 * len(name)), along]) for along in (5, -5, 12, -12) for across in (1, -1)]
        free = [side for side in sides if all((np.abs(place + side - other) > clear).any() for other in taken)]
        side = (free or sides)[0]
        taken.append(place + side)
        form: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6, "ha": "center", "va": "center"}
        axes.annotate(
            name,
            (xy[0], xy[1]),
            (side[0], side[1]),
            color=style.style_of(str(router)).color,
            path_effects=halo,
            zorder=4,
            **form,
        )


def legend(figure: Drawing, routers: Iterable[str], note: str) -> None:
    """One legend of routers above the panels, and a note on what is drawn below them."""
    from matplotlib.lines import Line2D

    handles = {
        plain(shortened(name, 40)): Line2D(
            [], [], color=style.style_of(name).color, marker=style.style_of(name).marker, markersize=5, linewidth=1.2
        )
        for name in style.in_order(routers)
    }
    explain(figure, handles, note)


def parts_legend(figure: Drawing, parts: Mapping[str, str], note: str) -> None:
    """The same for parts of a bar and their colours."""
    from matplotlib.patches import Patch

    explain(figure, {name: Patch(color=color) for name, color in parts.items()}, note)


def explain(figure: Drawing, handles: Mapping[str, "Artist"], note: str) -> None:
    """Draw one legend above the panels, and a note below them on what is drawn."""
    if figure.given:
        # The caller's figure has no room reserved above its panels or below them.
        figure.given[0].legend(list(handles.values()), list(handles), frameon=False)
        return
    width = figure.get_figwidth()
    if handles:
        # A letter of 8 points takes about a sixteenth of an inch, a sign and its space half an inch.
        columns = max(1, int(width / (0.5 + max(map(len, handles)) / 16)))
        # Lines of equal length, so that no name stands alone.
        columns = -(-len(handles) // -(-len(handles) // columns))
        options: dict[str, Any] = {"loc": "outside upper center", "ncols": columns, "frameon": False}
        figure.legend(list(handles.values()), list(handles), **options)
    figure.supxlabel(fill(note, int(20 * width)), fontsize=6.5, color="#666666")


def plain(text: str) -> str:
    """Text that matplotlib draws as it is: no formulas, nothing that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")


def save(figure: Figure, stem: Path | str, formats: Sequence[str] = ("png", "svg", "pdf")) -> list[Path]:
    """Publish a figure as STEM.FORMAT for each format and return the paths.

    A file appears whole or not at all. Fonts are embedded; the same figure gives the same bytes.

    Raises:
        BadInput: an unknown format, or a folder that cannot be written.
    """
    import warnings

    written = []
    for form in formats:
        if form not in get_args(Format):
            raise unknown("figure format", form, get_args(Format))
    for form in formats:
        path = Path(f"{stem}.{form}")
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
        with publishing(path) as temporary, look(), warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(temporary, format=form, metadata=dates, facecolor="white")
        written.append(path)
    return written
