"""Draw quality over its cost, with the Pareto front, and quantities over a varied number."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from moebench.claims.claim import TOLERANCE
from moebench.errors import BadInput
from moebench.reports import flag_marks, style
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.figures.axes import groups, panels
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.marks import bars, draw_scaling, name_points, unequal_note
from moebench.reports.figures.registry import figure
from moebench.reports.figures.units import dress, in_ratios
from moebench.reports.labels import varied_title
from moebench.reports.quantities import quantity
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@figure(
    "pareto",
    caption="Quality over cost. Bars: 95 % intervals; dashed: the Pareto front; the fuller a mark, the more probably "
    "its cell is on the front; lines join cells of one router.",
    axes={"x": "several columns", "y": "one column"},
)
def pareto(results: Results, x: Sequence[str] | None = None, y: str | None = None, layout: Layout = PAPER) -> Drawing:
    """Draw quality over cost, a panel for each cost.

    There is a row of panels for each data set and device. Bars are 95 % intervals, the line is the Pareto front, and a
    marker is fuller the more probably its cell lies on the front. The varied input is written beside each marker.

    Args:
        results: the rows and cells to draw.
        x: the costs; None means FLOPs and, if cells were timed, the step time of `chart_data.time_column`.
        y: the quality; None means accuracy, or the cells' quality in its place.
        layout: place and size of the figure.

    Raises:
        BadInput: an axis is no numeric column, or no cell has a value for it.
    """
    y = y or chart_data.leading_quality(results)
    costs = list(x or _measured(results, "flops_forward_per_image", layout))
    points = pd.concat([chart_data.pareto(results, cost, y).assign(cost=cost) for cost in costs], ignore_index=True)
    with look():
        rows = groups(points, chart_data.FRONT)
        width = layout.width / (len(costs) if layout.columns > 1 else 1)
        drawing, axes = panels(layout, points, len(rows), len(costs), height=3.0)
        for row, (name, here) in enumerate(rows):
            for column, cost in enumerate(costs):
                if layout.columns > 1:
                    axes[row, column].sharey(axes[row, 0])
                _draw_pareto(
                    axes[row, column], points[here & (points["cost"] == cost)], quantity(cost), quantity(y), width
                )
                axes[row, column].yaxis.label.set_visible(column == 0 or layout.columns == 1)
            axes[row, 0].set_title(name, loc="left")
        varied = varied_title(results.cells, chart_data.FRONT)
        note = noted(
            "bars: 95 % intervals · dashed: Pareto front · fill: probability of being on it",
            f"names: {varied}" if varied else "",
            "grey: within 3 % of dense's FLOPs" if "flops_forward_per_image" in costs else "",
            flag_marks.note(results.cells, costs),
        )
        legend(drawing, points["router"], note)
    return drawing


def _measured(results: Results, first: str, layout: Layout) -> list[str]:
    """Return a column, and the best column of step time if cells were timed.

    If the caller gives one panel of axes, the column of step time is left out.
    """
    time = chart_data.time_column(results)
    sparse = results.cells[results.cells["router"] != "dense"]
    both = [first, time] if sparse[time].notna().any() else [first]
    return both[: len(layout.axes) or None]


def _draw_pareto(axes: "Axes", points: pd.DataFrame, x: Column, y: Column, width: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.ticker import MaxNLocator

    front = points[points["on_front"]].sort_values("x")
    axes.step(front["x"], front["y"], where="post", color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for router, group in points.groupby("router", sort=False):
        look_of = style.style_of(str(router))
        bars(axes, group, look_of.color)
        for _, path in group.sort_values("x").groupby("path"):
            axes.plot(path["x"], path["y"], color=look_of.color, linewidth=0.8, alpha=0.35, zorder=1)
        fill = group["front_probability"].fillna(group["on_front"].astype(float))
        axes.scatter(
            group["x"],
            group["y"],
            marker=look_of.marker,
            s=34,
            linewidths=1.0,
            edgecolors=look_of.color,
            facecolors=[to_rgba(look_of.color, float(share)) for share in fill],
            zorder=3,
        )
    if points["x"].min() > 0 and points["x"].max() > 10 * points["x"].min():
        in_ratios(axes)
    else:
        # Labels such as 6.55 do not overlap if each has half an inch.
        axes.xaxis.set_major_locator(MaxNLocator(max(3, min(6, round(1.6 * width))), steps=[1, 2, 5, 10]))
    if x.name == "flops_forward_per_image":
        limits = axes.get_xlim()
        for flops in points.loc[points["router"] == "dense", "x"]:
            axes.axvspan(flops * (1 - TOLERANCE), flops * (1 + TOLERANCE), color="#f1f1f4", linewidth=0, zorder=0)
        axes.set_xlim(limits)  # as wide as the cells need
    dress(axes.xaxis, x, narrow=width < 3.25)
    dress(axes.yaxis, y)
    name_points(axes, points, points["name"].tolist(), (0.8 * width, 2.2))


@figure(
    "scaling",
    caption="Quantities over what the suite varies. Bars and band: 95 % intervals; band: dense.",
    axes={"x": "one column", "y": "several columns"},
)
def scaling(results: Results, y: Sequence[str] | None = None, x: str | None = None, layout: Layout = PAPER) -> Drawing:
    """Draw quantities over a varied number, a panel for each quantity.

    One dense cell is the band across.

    Args:
        results: the rows and cells to draw.
        y: the quantities; None means the quality of `pareto` and, if cells were timed, its step time.
        x: the number; None means experts, or the varied input in their place.
        layout: place and size of the figure.

    Raises:
        BadInput: a column is not numeric, no cell has a value for it, or, without `x`, no number varies.
    """
    y = y or _measured(results, chart_data.leading_quality(results), layout)
    x = x or chart_data.varied_number(results)
    if x is None:
        raise BadInput(
            "nothing to draw: no router of these results has several values of an input that is a number, such as "
            "experts; the figure 'dots' draws what else varies."
        )
    points = chart_data.scaling(results, y, x)
    numbered = _numbered(points, quantity(x))
    with look():
        rows = groups(points, SETTING)
        width = layout.width / (len(y) if layout.columns > 1 else 1)
        drawing, axes = panels(layout, points, len(rows), len(y), height=2.6)
        for row, (name, here) in enumerate(rows):
            for column, drawn in enumerate(y):
                cells = points[here & (points["quantity"] == drawn)]
                draw_scaling(axes[row, column], cells, quantity(drawn), quantity(x))
                if numbered:
                    names = [f"{experts:.0f}" if experts > 1 else "" for experts in cells["experts"]]
                    name_points(axes[row, column], cells, names, (0.8 * width, 2.0))
            axes[row, 0].set_title(name, loc="left")
        dense = points[points["router"] == "dense"]
        banded = len(dense) > 0 and dense["x"].nunique() <= 1
        note = noted(
            "bars and band: 95 % intervals · band: dense" if banded else "bars: 95 % intervals",
            "number: experts" if numbered else "",
            unequal_note(points),
            flag_marks.note(results.cells, y),
        )
        legend(drawing, points["router"], note)
    return drawing


def _numbered(points: pd.DataFrame, x: Column) -> bool:
    """Return whether points need names of their numbers of experts.

    Points need names if cells of one router have one x and several numbers of experts.
    """
    apart = points.drop_duplicates(["router", *SETTING, "x", "experts"])
    return x.name != "experts" and bool(apart.duplicated(["router", *SETTING, "x"]).any())
