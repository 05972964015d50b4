"""Draw compute at test time: trained models with other k, C, token order or slots."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.test_time import known, settings
from moebench.reports.figures.axes import grid, letters, plain
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.marks import bars
from moebench.reports.figures.registry import figure
from moebench.reports.figures.units import dress, in_ratios
from moebench.reports.labels import brief_labels
from moebench.reports.quantities import possible, quantity
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = 3
_CLOSE = 0.08
"""Share of an axis within which two numbers would overlap."""
_DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (4, 1.5, 1, 1.5)))


@figure(
    "test-time",
    caption="Trained models with other k, C, order of the tokens or slots, not trained again. Bars: 95 % "
    "intervals; ring: the setting of the training; number, where it varies: k.",
    needs=("test_time",),
    axes={"x": "one column", "y": "one column"},
)
def at_test_time(
    results: Results, x: str = "flops_forward_per_image", y: str = "accuracy", layout: Layout = PAPER
) -> Drawing:
    """Draw quality over the cost chosen after training, a panel for each trained cell.

    There is a line for each router and k. Bars are 95 % intervals over seeds; a ring is the setting of the training.

    Args:
        results: the rows and cells to draw.
        x: the cost, a field of the result table's `test_time` or capacity_factor.
        y: the quality, a field of `test_time`.
        layout: place and size of the figure.

    Raises:
        BadInput: an axis is no such field, or no cell was evaluated in other settings.
    """
    points = known(settings(results, x, y).rename(columns=_axes(x, y)), "x", "y")
    for axis, column in (("x", x), ("y", y)):
        for end in ("low", "high"):
            kind = quantity(column).kind
            points[f"{axis}_{end}"] = points[f"{axis}_{end}"].map(lambda v, kind=kind: possible(v, kind))
    cells = list(dict.fromkeys(points["cell"]))
    down = -(-len(cells) // (_ACROSS if layout.columns > 1 else 1))
    across = -(-len(cells) // down)  # four panels are two and two, not three and one
    with look():
        drawing, axes = grid(layout, points, down, across, height=2.4, sharex=True, sharey=True)
        titles, named = brief_labels(results.cells.iloc[cells], letters(layout.width / across))
        for place, cell in enumerate(cells):
            panel, here = axes.flat[place], points[points["cell"] == cell]
            _draw(panel, here, quantity(x), quantity(y))
            panel.set_title(plain(titles.iloc[place]))
            panel.label_outer()
            if place >= len(cells) - across:  # no panel is below it
                panel.tick_params(labelbottom=True)
                dress(panel.xaxis, quantity(x), narrow=True)
        for panel in axes.flat[len(cells) :]:
            panel.remove()
        note = "bars: 95 % intervals over seeds · ring: the setting of the training"
        if points.groupby("cell")["test_top_k"].nunique().max() > 1:
            note += " · number: k"
        legend(drawing, points["test_router"], noted(note, named))
    return drawing


def _axes(x: str, y: str) -> dict[str, str]:
    return {f"{column}{end}": f"{axis}{end}" for axis, column in (("x", x), ("y", y)) for end in ("", "_low", "_high")}


def _draw(axes: "Axes", points: pd.DataFrame, x: Column, y: Column) -> None:
    choices = sorted(points["test_top_k"].dropna().unique(), reverse=True)
    ends: list[tuple[float, float, str]] = []
    for (router, k), line in points.groupby(["test_router", "test_top_k"], dropna=False, sort=False):
        line = line.sort_values("x")
        look_of = style.style_of(str(router))
        dash = _DASHES[choices.index(k) % len(_DASHES)] if k in choices else "-"
        axes.plot(line["x"], line["y"], color=look_of.color, linewidth=1.2, linestyle=dash, zorder=2)
        bars(axes, line, look_of.color)
        axes.scatter(line["x"], line["y"], marker=look_of.marker, s=20, color=look_of.color, linewidths=0, zorder=3)
        if len(choices) > 1 and k in choices:
            ends.append((float(line["x"].iloc[-1]), float(line["y"].iloc[-1]), f"{k:.0f}"))
    _number(axes, ends, points)
    trained = points[points["setting"] == "{}"]
    axes.scatter(trained["x"], trained["y"], s=90, facecolors="none", edgecolors=INK, linewidths=0.9, zorder=4)
    if points["x"].min() > 0 and points["x"].max() > 10 * points["x"].min():
        in_ratios(axes)
    dress(axes.xaxis, x)
    dress(axes.yaxis, y)


def _number(axes: "Axes", ends: Sequence[tuple[float, float, str]], points: pd.DataFrame) -> None:
    """Write the number at each line's end, higher if it would overlap another number."""
    width, height = (float(points[axis].max() - points[axis].min()) or 1.0 for axis in "xy")
    taken: list[tuple[float, float]] = []
    for x, y, text in sorted(ends, key=lambda end: end[1]):
        lines = 0
        place = (x / width, y / height)
        while any(abs(place[0] - u) < _CLOSE and abs(place[1] + _CLOSE * lines - v) < _CLOSE for u, v in taken):
            lines += 1
        taken.append((place[0], place[1] + _CLOSE * lines))
        axes.annotate(text, (x, y), (5, -2 + 9 * lines), textcoords="offset points", fontsize=6.5)
