"""Figures for papers: Pareto front, scaling over experts, routing health, training curves.

Every figure is drawn from a frame of `moebench.reports.frames`, and a router looks the same in all of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.reports import frames, style
from moebench.reports.canvas import INK, bars, dress, groups, legend, look, panels, plain, save, two_rows
from moebench.reports.cells import SETTING, Results
from moebench.reports.labels import shortened
from moebench.reports.quantities import Quantity, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 320
"""Columns of a heat map: divides by the usual numbers of experts."""

__all__ = ["curves", "health", "pareto", "save", "scaling"]


def pareto(frame: pd.DataFrame, x: str | Sequence[str] | None = None, y: str = "accuracy") -> "Figure":
    """Quality over cost: a panel for each cost `x`, a row of panels for each data set and device.

    Without `x` the costs are FLOPs and wall-clock, the latter as `frames.time_column` says, where it was measured.
    Bars are 95 % intervals, the line is the Pareto front, and a marker is the fuller the more probable it is that
    its cell lies on the front. The number beside a marker is that of its experts.

    Raises:
        BadInput: an axis that is no numeric column, or no cell with a value for it.
    """
    results = Results.of(frame)
    costs = [x] if isinstance(x, str) else list(x or _measured(results, "flops_forward_per_image"))
    points = pd.concat([frames.pareto(results, cost, y).assign(cost=cost) for cost in costs], ignore_index=True)
    with look():
        rows = groups(points, frames.FRONT)
        figure, axes = panels(len(rows), len(costs), height=3.0, sharey="row")
        for row, (name, here) in enumerate(rows):
            for column, cost in enumerate(costs):
                _draw_pareto(axes[row, column], points[here & (points["cost"] == cost)], quantity(cost), quantity(y))
                axes[row, column].yaxis.label.set_visible(column == 0)
            axes[row, 0].set_title(name, loc="left")
        note = "bars: 95 % intervals · line: Pareto front · fill: probability of being on it · number: experts"
        legend(figure, points["router"], note)
    return figure


def _measured(results: Results, first: str) -> list[str]:
    """A column and the best of step time, if cells were timed."""
    time = frames.time_column(results)
    return [first, time] if results.cells[time].notna().any() else [first]


def _draw_pareto(axes: "Axes", points: pd.DataFrame, x: Quantity, y: Quantity) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    halo = [withStroke(linewidth=1.5, foreground="white")]
    front = points[points["on_front"]].sort_values("x")
    axes.step(front["x"], front["y"], where="post", color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for router, group in points.groupby("router", sort=False):
        look_of = style.of(str(router))
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
        for _, point in group[group["experts"] > 1].iterrows():
            at = (point["x"], point["y"])
            text = f"{point['experts']:.0f}"
            axes.annotate(text, at, (4, 3), textcoords="offset points", fontsize=6, path_effects=halo, zorder=4)
    if points["x"].min() > 0 and points["x"].max() > 10 * points["x"].min():
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    dress(axes.xaxis, x)
    dress(axes.yaxis, y)


def scaling(frame: pd.DataFrame, y: Sequence[str] | None = None, x: str = "experts") -> "Figure":
    """Quantities over the number of experts, a panel for each; the dense cell is the band across.

    Without `y` they are accuracy and the time of a training step, the latter as in `pareto`.

    Raises:
        BadInput: a column that is not numeric, or no cell with a value for it.
    """
    results = Results.of(frame)
    y = y or _measured(results, "accuracy")
    points = frames.scaling(results, y, x)
    with look():
        rows = groups(points, SETTING)
        figure, axes = panels(len(rows), len(y), height=2.6)
        for row, (name, here) in enumerate(rows):
            for column, drawn in enumerate(y):
                _draw_scaling(
                    axes[row, column], points[here & (points["quantity"] == drawn)], quantity(drawn), quantity(x)
                )
            axes[row, 0].set_title(name, loc="left")
        legend(figure, points["router"], "bars and band: 95 % intervals · band: dense")
    return figure


def _draw_scaling(axes: "Axes", points: pd.DataFrame, y: Quantity, x: Quantity) -> None:
    sparse = points[points["router"] != "dense"]
    for _, dense in points[points["router"] == "dense"].iterrows():
        color = style.of("dense").color
        axes.axhline(dense["y"], color=color, linewidth=1.2, zorder=1)
        if np.isfinite(dense["y_low"]):
            axes.axhspan(dense["y_low"], dense["y_high"], color=color, alpha=0.18, linewidth=0, zorder=0)
    routers = style.in_order(sparse["router"].astype(str))
    for place, router in enumerate(routers):
        group = sparse[sparse["router"] == router]
        look_of = style.of(router)
        # Side by side, so that one bar does not hide another.
        beside = 2 ** (0.05 * (place - (len(routers) - 1) / 2))
        line = group.groupby("x")["y"].mean()
        axes.plot(line.index * beside, line, color=look_of.color, linewidth=1.2, zorder=2)
        moved = group.assign(x=group["x"] * beside)
        bars(axes, moved, look_of.color)
        axes.scatter(moved["x"], moved["y"], marker=look_of.marker, s=24, color=look_of.color, linewidths=0, zorder=3)
    if len(sparse) and sparse["x"].min() > 0:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(sparse["x"].unique()), minor=False)
        axes.minorticks_off()
    dress(axes.xaxis, x)
    dress(axes.yaxis, y)
    if y.kind in ("s", "ratio"):
        axes.set_ylim(bottom=0)


def health(frame: pd.DataFrame) -> "Figure":
    """Routing health: the load of every expert as a heat map for each router; drops, entropy and dead experts.

    Raises:
        BadInput: no cell holds expert loads.
    """
    results = Results.of(frame)
    load = frames.load(results)
    shares = ("dropped_tokens", "router_entropy", "dead_experts")
    measures = [name for name in shares if results.cells[name].notna().any()]
    routers = style.in_order(load["router"].astype(str))
    # `soft[experts=4]` of block 2 becomes `experts=4 · 2`, a line that all routers share.
    options = load["label"].str.extract(r"\[(.*)\]$", expand=False).fillna("")
    load = load.assign(line=options + " · " + load["layer"].astype(str))
    lines = list(dict.fromkeys(load.sort_values(["experts", "layer"], kind="stable")["line"]))
    with look():
        figure, above, below = two_rows(len(routers), len(measures), (max(1.5, 0.7 + 0.13 * len(lines)), 2.0))
        for place, (panel, router) in enumerate(zip(above, routers, strict=True)):
            _draw_load(panel, load[load["router"] == router], lines)
            panel.set_title(plain(shortened(router, 24)))
            panel.set_yticklabels([plain(shortened(line, 30)) for line in lines] if place == 0 else [])
        above[0].set_ylabel("options · block")
        bar = above[0].figure.colorbar(above[-1].images[0], ax=above, extend="max", aspect=15)
        bar.set_label("load / even share")
        for panel, measure in zip(below, measures, strict=True):
            points = frames.scaling(results, [measure])
            _draw_scaling(panel, points[points["router"] != "dense"], quantity(measure), quantity("experts"))
            top = 1.0 if measure == "router_entropy" else max(0.02, points["y"].max())
            panel.set_ylim(-0.04 * top, 1.08 * top)
        note = "heat maps: the experts of a layer from the fullest to the emptiest, mean over seeds; 1 is an even share"
        legend(figure, load["router"], note)
    return figure


def _draw_load(axes: "Axes", load: pd.DataFrame, lines: list[str]) -> None:
    """One router's heat map: a line for each of `lines`, its experts sharing the width of the panel."""
    picture = np.full((len(lines), _WIDE), np.nan)
    for line, cells in load.groupby("line"):
        values = cells.sort_values("place")["load"].to_numpy(float)
        picture[lines.index(str(line))] = values[np.arange(_WIDE) * len(values) // _WIDE]
    axes.imshow(picture, aspect="auto", interpolation="nearest", vmin=0, vmax=2, cmap="PuOr_r")
    axes.grid(visible=False)
    axes.set(xlabel="experts, fullest first", xticks=[], yticks=range(len(lines)))
    axes.tick_params(axis="y", length=0, labelsize=6.5)
    axes.spines[["left", "bottom"]].set_visible(False)


def curves(frame: pd.DataFrame) -> "Figure":
    """Training curves: loss and accuracy over steps, a column for each router, the more experts the darker.

    Lines are means over seeds, bands reach from the lowest to the highest seed; the grey line is the dense cell.

    Raises:
        BadInput: no row holds a curve.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    points = frames.curves(Results.of(frame))
    routers = [name for name in style.in_order(points["router"].astype(str)) if name != "dense"] or ["dense"]
    dense = points[points["router"] == "dense"]
    with look():
        figure, axes = panels(2, len(routers), height=1.9, sharex=True, sharey="row")
        for column, router in enumerate(routers):
            for row, name in enumerate(("train_loss", "accuracy")):
                measure = name.removeprefix("train_")
                panel = axes[row, column]
                _draw_curves(panel, dense, measure)
                _draw_curves(panel, points[points["router"] == router], measure)
                dress(panel.yaxis, quantity(name))
                panel.set_ylabel(f"Training {measure}" if column == 0 else "")
            axes[0, column].set_yscale("log")
            axes[0, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes[0, column].yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
            axes[0, column].minorticks_off()
            axes[0, column].set_title(plain(shortened(router, 24)), color=style.of(router).color)
            axes[1, column].set_xlabel("Step")
        legend(
            figure, points["router"], "lines: means of the seeds · bands: lowest to highest seed · darker: more experts"
        )
    return figure


def _draw_curves(axes: "Axes", points: pd.DataFrame, measure: str) -> None:
    cells = list(points.sort_values("experts").groupby("cell_id", sort=False))
    for place, (_, curve) in enumerate(cells, start=1):
        color = style.of(str(curve["router"].iloc[0])).color
        axes.plot(curve["step"], curve[measure], color=color, alpha=0.3 + 0.7 * place / len(cells), linewidth=1.1)
        axes.fill_between(
            curve["step"], curve[f"{measure}_low"], curve[f"{measure}_high"], color=color, alpha=0.12, linewidth=0
        )
