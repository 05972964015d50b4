"""What happens inside a run: how experts are used, and how training goes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.reports import style
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import dress, grid, legend, plain, two_rows
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.pareto_and_scaling import draw_scaling
from moebench.reports.figures.registry import figure
from moebench.reports.labels import shortened
from moebench.reports.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 320
"""Columns of a heat map: divides by the usual numbers of experts."""


@figure(
    "health",
    caption="How evenly experts are used, from the fullest to the emptiest, and what is dropped.",
    needs=("expert_load",),
)
def health(results: Results, layout: Layout = PAPER) -> Drawing:
    """Routing health: the load of every expert as a heat map for each router; drops, entropy and dead experts.

    The latter are drawn over what the suite varies, as in `scaling`.

    Raises:
        BadInput: no cell holds expert loads.
    """
    load = chart_data.load(results)
    shares = ("dropped_tokens", "router_entropy", "dead_experts")
    measures = [name for name in shares if results.cells[name].notna().any()]
    routers = style.in_order(load["router"].astype(str))
    # `soft[experts=4]` of block 2 becomes `experts=4 · 2`, a line that all routers share.
    options = load["label"].str.extract(r"\[(.*)\]$", expand=False).fillna("")
    load = load.assign(line=options + " · " + load["layer"].astype(str))
    varied = chart_data.varied(results)
    shares_behind = [chart_data.scaling(results, [measure], varied) for measure in measures]
    behind = pd.concat([load.assign(quantity="expert_load", y=load["load"]).drop(columns="load"), *shares_behind])
    lines = list(dict.fromkeys(load.sort_values(["experts", "layer"], kind="stable")["line"]))
    with look():
        heights = (max(1.5, 0.7 + 0.13 * len(lines)), 2.0)
        drawing, above, below = two_rows(layout, behind, len(routers), len(measures), heights)
        across = len(routers) if layout.columns > 1 else 2
        # As far as loads go from an even share, but no further than to an empty expert.
        reach = min(1.0, max(0.1, float((load["load"] - 1).abs().max())))
        for place, (panel, router) in enumerate(zip(above, routers, strict=True)):
            _draw_load(panel, load[load["router"] == router], lines, reach)
            panel.set_title(plain(shortened(router, 24)))
            panel.set_yticklabels([plain(shortened(line, 30)) for line in lines] if place % across == 0 else [])
        above[0].set_ylabel("options · block")
        above[0].figure.supxlabel("experts, fullest first", fontsize=8.5)
        extend = "max" if reach == 1 else "neither"
        bar = above[0].figure.colorbar(above[-1].images[0], ax=above, extend=extend, aspect=15)
        bar.set_label("load / even share")
        for panel, measure, points in zip(below, measures, shares_behind, strict=True):
            draw_scaling(panel, points[points["router"] != "dense"], quantity(measure), quantity(varied))
            top = 1.0 if measure == "router_entropy" else max(0.02, points["y"].max())
            panel.set_ylim(-0.04 * top, 1.08 * top)
        note = "heat maps: the experts of a layer from the fullest to the emptiest, mean over seeds; 1 is an even share"
        legend(drawing, load["router"], note)
    return drawing


def _draw_load(axes: "Axes", load: pd.DataFrame, lines: list[str], reach: float) -> None:
    """One router's heat map: a line for each of `lines`, its experts sharing the width of the panel.

    Colours go from 1 − `reach` to 1 + `reach`.
    """
    picture = np.full((len(lines), _WIDE), np.nan)
    for line, cells in load.groupby("line"):
        values = cells.sort_values("place")["load"].to_numpy(float)
        picture[lines.index(str(line))] = values[np.arange(_WIDE) * len(values) // _WIDE]
    axes.imshow(picture, aspect="auto", interpolation="nearest", vmin=1 - reach, vmax=1 + reach, cmap="PuOr_r")
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=range(len(lines)))
    axes.tick_params(axis="y", length=0, labelsize=6.5)
    axes.spines[["left", "bottom"]].set_visible(False)


@figure(
    "curves",
    caption="Training: means of the seeds, and from the lowest to the highest of them.",
    needs=("curve_step",),
)
def curves(results: Results, layout: Layout = PAPER) -> Drawing:
    """Training curves: loss and accuracy over steps, a column for each router, the more experts the darker.

    Lines are means over seeds, bands reach from the lowest to the highest seed; the grey line is the dense cell.

    Raises:
        BadInput: no row holds a curve.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    points = chart_data.curves(results)
    routers = [name for name in style.in_order(points["router"].astype(str)) if name != "dense"] or ["dense"]
    dense = points[points["router"] == "dense"]
    with look():
        # In one column a router has a row, not a column of its own.
        shape = (2, len(routers)) if layout.columns > 1 else (len(routers), 2)
        drawing, axes = grid(layout, points, *shape, height=1.9, sharex=True)
        axes = axes if layout.columns > 1 else axes.T
        for row, name in enumerate(("train_loss", "accuracy")):
            for column, router in enumerate(routers):
                measure = name.removeprefix("train_")
                panel = axes[row, column]
                panel.sharey(axes[row, 0])
                _draw_curves(panel, dense, measure)
                _draw_curves(panel, points[points["router"] == router], measure)
                dress(panel.yaxis, quantity(name))
                title = quantity(name).title if measure == "loss" else "Training accuracy"
                panel.set_ylabel(title if column == 0 or layout.columns == 1 else "")
        for column, router in enumerate(routers):
            axes[0, column].set_yscale("log")
            axes[0, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes[0, column].yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
            axes[0, column].minorticks_off()
            axes[0, column].set_title(plain(shortened(router, 24)), color=style.style_of(router).color)
        for panel in axes[-1] if layout.columns > 1 else axes[:, -1]:
            panel.set_xlabel("Step")
        legend(
            drawing,
            points["router"],
            "lines: means of the seeds · bands: lowest to highest seed · darker: more experts",
        )
    return drawing


def _draw_curves(axes: "Axes", points: pd.DataFrame, measure: str) -> None:
    cells = list(points.sort_values("experts").groupby("cell_id", sort=False))
    for place, (_, curve) in enumerate(cells, start=1):
        color = style.style_of(str(curve["router"].iloc[0])).color
        axes.plot(curve["step"], curve[measure], color=color, alpha=0.3 + 0.7 * place / len(cells), linewidth=1.1)
        axes.fill_between(
            curve["step"], curve[f"{measure}_low"], curve[f"{measure}_high"], color=color, alpha=0.12, linewidth=0
        )
