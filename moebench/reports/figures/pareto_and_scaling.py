"""Quality: over its cost, with the Pareto front, and over the number of experts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.reports import flag_marks, style
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.figures.axes import bars, dress, groups, in_ratios, legend, name_points, narrow, panels
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.registry import figure
from moebench.reports.quantities import quantity
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@figure(
    "pareto",
    caption="Quality over cost. Bars: 95 % intervals; line: the Pareto front; the fuller a mark, the more probably "
    "its cell is on it; number: experts.",
    axes={"x": "several columns", "y": "one column"},
)
def pareto(results: Results, x: Sequence[str] | None = None, y: str = "accuracy", layout: Layout = PAPER) -> Drawing:
    """Quality over cost: a panel for each cost `x`, a row of panels for each data set and device.

    Without `x` the costs are FLOPs and wall-clock, the latter as `frames.time_column` says, where it was measured.
    Bars are 95 % intervals, the line is the Pareto front, and a marker is the fuller the more probable it is that
    its cell lies on the front. The number beside a marker is that of its experts.

    Raises:
        BadInput: an axis that is no numeric column, or no cell with a value for it.
    """
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
        note = "bars: 95 % intervals · line: Pareto front · fill: probability of being on it · number: experts"
        legend(drawing, points["router"], " · ".join(filter(None, (note, flag_marks.note(results.cells, costs)))))
    return drawing


def _measured(results: Results, first: str, layout: Layout) -> list[str]:
    """Return a column, and the best of step time if cells were timed and there are axes for it."""
    time = chart_data.time_column(results)
    both = [first, time] if results.cells[time].notna().any() else [first]
    return both[: len(layout.axes) or None]


def _draw_pareto(axes: "Axes", points: pd.DataFrame, x: Column, y: Column, width: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.ticker import MaxNLocator

    front = points[points["on_front"]].sort_values("x")
    axes.step(front["x"], front["y"], where="post", color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for router, group in points.groupby("router", sort=False):
        look_of = style.style_of(str(router))
        bars(axes, group, look_of.color)
        for _, path in group.sort_values("experts").groupby(list(SETTING), dropna=False):
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
        # Labels such as 6.55 M stand clear of each other where each has six tenths of an inch.
        axes.xaxis.set_major_locator(MaxNLocator(max(3, min(6, round(1.6 * width))), steps=[1, 2, 5, 10]))
    dress(axes.xaxis, x)
    if width < 3.2:
        axes.set_xlabel(narrow(x.title))
    dress(axes.yaxis, y)
    names = [f"{experts:.0f}" if experts > 1 else "" for experts in points["experts"]]
    name_points(axes, points, names, (0.8 * width, 2.2))


@figure(
    "scaling",
    caption="Quantities over the number of experts. Bars and band: 95 % intervals; band: dense.",
    axes={"x": "one column", "y": "several columns"},
)
def scaling(results: Results, y: Sequence[str] | None = None, x: str | None = None, layout: Layout = PAPER) -> Drawing:
    """Quantities over the number of experts, a panel for each; the dense cell is the band across.

    Without `y` they are accuracy and the time of a training step, the latter as in `pareto`. Without `x` it is the
    number of experts, or what the suite varies in its place: the capacity factor, slots, the learning rate.

    Raises:
        BadInput: a column that is not numeric, or no cell with a value for it.
    """
    y, x = y or _measured(results, "accuracy", layout), x or chart_data.varied(results)
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
                    name_points(axes[row, column], cells, names, (0.8 * width, 2.2))
            axes[row, 0].set_title(name, loc="left")
        note = "bars and band: 95 % intervals · band: dense"
        note += " · number: experts" if numbered else ""
        legend(drawing, points["router"], " · ".join(filter(None, (note, flag_marks.note(results.cells, y)))))
    return drawing


def _numbered(points: pd.DataFrame, x: Column) -> bool:
    """Whether cells of one router have the same x and other numbers of experts, which then stand beside them."""
    apart = points.drop_duplicates(["router", *SETTING, "x", "experts"])
    return x.name != "experts" and bool(apart.duplicated(["router", *SETTING, "x"]).any())


def draw_scaling(axes: "Axes", points: pd.DataFrame, y: Column, x: Column) -> None:
    """One quantity of these cells over another: a line for each router, a band for the dense cell if there is one."""
    bands = points[points["router"] == "dense"]
    bands = bands if bands["x"].nunique() == 1 else bands.iloc[:0]
    sparse = points.drop(bands.index)
    for _, dense in bands.iterrows():
        color = style.style_of("dense").color
        axes.axhline(dense["y"], color=color, linewidth=1.2, zorder=1)
        if np.isfinite(dense["y_low"]):
            axes.axhspan(dense["y_low"], dense["y_high"], color=color, alpha=0.18, linewidth=0, zorder=0)
    routers = style.in_order(sparse["router"].astype(str))
    for place, router in enumerate(routers):
        group = sparse[sparse["router"] == router]
        look_of = style.style_of(router)
        # Side by side, so that one bar does not hide another.
        beside = 2 ** (0.05 * (place - (len(routers) - 1) / 2))
        line = group.groupby("x")["y"].mean()
        axes.plot(line.index * beside, line, color=look_of.color, linewidth=1.2, zorder=2)
        moved = group.assign(x=group["x"] * beside)
        bars(axes, moved, look_of.color)
        axes.scatter(moved["x"], moved["y"], marker=look_of.marker, s=24, color=look_of.color, linewidths=0, zorder=3)
    if len(sparse) and sparse["x"].min() > 0:
        axes.set_xscale("log", base=2)
        if sparse["x"].nunique() == 1:  # as wide as if there were more on either side
            axes.set_xlim(sparse["x"].iloc[0] / 2, sparse["x"].iloc[0] * 2)
        axes.set_xticks(ticks := sorted(sparse["x"].unique()), minor=False)
        axes.minorticks_off()
        if x.kind == "number":
            axes.set_xticklabels([f"{tick:g}" for tick in ticks])
    dress(axes.xaxis, x)
    dress(axes.yaxis, y)
