"""Draw test loss over training compute and time, with the compute and time multipliers."""

from typing import TYPE_CHECKING

import pandas as pd

from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.held_out_loss import COSTS, crossings, held_out_loss
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.figures.axes import groups, panels
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend
from moebench.reports.figures.registry import figure
from moebench.reports.figures.units import dress
from moebench.reports.quantities import quantity, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 0.3
"""Share of the horizontal axis that a number takes in one column."""
_WORTH = {"flops": "compute_multiplier", "time": "time_multiplier"}


@figure(
    "multiplier",
    caption="Test loss over training compute and time; a mark shows where a cell and dense reach one loss.",
    needs=("curve_eval_loss",),
)
def multiplier(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw test loss over FLOPs and over time, and mark the crossings of dense.

    A mark is at the point at which a cell reaches the final loss of dense. If a cell ends above dense, the mark is at
    the point at which dense reaches the final loss of the cell.

    Args:
        results: the rows and cells to draw.
        layout: place and size of the figure.

    Raises:
        BadInput: no row has test losses during training.
    """
    points, crossed = held_out_loss(results), crossings(results)
    costs = [cost for cost in COSTS if points[cost].notna().any()]
    with look():
        settings = groups(points, SETTING)
        drawing, axes = panels(layout, points, len(settings), len(costs), height=2.6)
        for row, (name, here) in enumerate(settings):
            drawn = points[here]
            for panel, cost in zip(axes[row], costs, strict=True):
                _draw_losses(panel, drawn, _named(crossed[crossed["cell"].isin(drawn["cell"])], cost), cost)
            axes[row, 0].set_title(name, loc="left")
        note = "lines: means over seeds · bands: lowest to highest seed · rings: one loss"
        legend(drawing, points["router"], f"{note} · numbers: each router's largest" if _several(crossed) else note)
    return drawing


def _several(crossed: pd.DataFrame) -> bool:
    """Return whether a router has several cells with a ring in one panel."""
    return bool(crossed.duplicated(["router", *SETTING]).any())


def _named(crossed: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return the rings of a panel in their order, with a number at the largest of each router."""
    there = crossed.dropna(subset=[cost]).sort_values(cost)
    largest = there.groupby("router")[_WORTH[cost]].idxmax()
    return there.assign(text=there[f"{_WORTH[cost]}_text"].where(there.index.isin(largest), ""))


def _draw_losses(panel: "Axes", points: pd.DataFrame, crossed: pd.DataFrame, cost: str) -> None:
    from matplotlib.patheffects import withStroke

    for _, curve in points.dropna(subset=[cost]).groupby("cell", sort=True):
        color = style.style_of(str(curve["router"].iloc[0])).color
        panel.plot(curve[cost], curve["loss"], color=color, linewidth=1.1)
        panel.fill_between(curve[cost], curve["loss_low"], curve["loss_high"], color=color, alpha=0.12, linewidth=0)
    width = float(points[cost].max() - points[cost].min()) or 1.0
    # Rings are side by side at one loss: a number goes above the numbers that it would overlap.
    taken: list[tuple[int, float]] = []
    for row in crossed.to_dict("records"):
        look_of = style.style_of(str(row["router"]))
        panel.plot(row[cost], row["loss"], marker="o", markersize=6, markerfacecolor="none", color=look_of.color)
        if not row["text"]:
            continue
        place = float(row[cost]) / width
        free = next(line for line in range(len(taken) + 1) if all(line != k or place - u > _WIDE for k, u in taken))
        taken.append((free, place))
        panel.annotate(
            row["text"],
            (row[cost], row["loss"]),
            (4, 4 + 9 * free),
            textcoords="offset points",
            fontsize=6.5,
            color=look_of.color,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=4,
        )
    panel.set_ylabel(titled(quantity("eval_loss")))
    panel.locator_params(axis="x", nbins=4)
    if cost == "flops":
        dress(panel.xaxis, quantity("flops_train_total"), narrow=True)
    else:
        panel.set_xlabel("Training time, in steps of dense")
