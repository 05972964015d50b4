"""Draw training curves: loss and accuracy over steps."""

from math import ceil, floor, inf, log10
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.reports import style
from moebench.reports.analysis import seed_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import grid, in_lines, side_by_side
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.registry import figure
from moebench.reports.labels import varied_title
from moebench.reports.quantities import quantity, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICK = 0.3
"""Inches between two ticks."""
_ROUND = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))
"""Multiples of powers of ten for ticks, from the coarsest on."""


@figure(
    "curves",
    caption="Training: means over seeds, and from the lowest to the highest seed.",
    needs=("curve_step",),
)
def curves(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw training curves: loss and accuracy over steps, a column for each router.

    Lines are means over seeds, bands reach from the lowest to the highest seed; a line is darker the later its cell
    comes in the order of the varied input. One dense cell is the grey line in all columns; several dense cells have a
    column of their own.

    Args:
        results: the rows and cells to draw.
        layout: place and size of the figure.

    Raises:
        BadInput: no row has a curve.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    points = seed_data.curves(results)
    dense = points[points["router"] == "dense"]
    alone = dense["cell"].nunique() > 1
    routers = [name for name in style.in_order(points["router"].astype(str)) if alone or name != "dense"] or ["dense"]
    with look():
        wide = layout.columns > 1
        across = side_by_side(layout, len(routers)) if wide else 1
        drawing, pairs = _pairs(layout, points, len(routers), across)
        width = layout.width / (across if wide else 2)
        # From tick to tick as far as a label of four digits needs.
        ticks = min(4, max(1, int((width - 0.25) / _TICK))) if wide else 2
        positive = points[points["loss_low"] > 0]
        places = _loss_ticks(positive["loss_low"].min(), positive["loss_high"].max())
        for place, router in enumerate(routers):
            first = place % across == 0
            for measure, panel, like in zip(("loss", "accuracy"), pairs[place], pairs[0], strict=True):
                of = quantity("train_loss" if measure == "loss" else "accuracy")
                panel.sharey(like)
                if not alone and router != "dense":
                    _draw_curves(panel, dense, measure)
                _draw_curves(panel, points[points["router"] == router], measure)
                title = titled(of) if measure == "loss" else "Training accuracy (%)"
                panel.set_ylabel(title if first else "")
                factor = 100 if of.kind == "share" else 1
                panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _, factor=factor: f"{factor * value:g}"))
                panel.tick_params(labelleft=first)
                if place + across >= len(routers) and (measure == "accuracy" or not wide):  # no panel is below it
                    panel.tick_params(labelbottom=True)
                    panel.set_xlabel("Step")
            loss = pairs[place, 0]
            loss.set_yscale("log")
            loss.yaxis.set_major_locator(FixedLocator(places))
            loss.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
            loss.minorticks_off()
            loss.set_title(in_lines(router, width), color=style.style_of(router).color)
            loss.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
        for panel in pairs[len(routers) :].flat:
            panel.remove()
        order = varied_title(results.cells)
        darker = f"darker: later in the order of {order}" if order else ""
        note = noted("lines: means over seeds · bands: lowest to highest seed", darker)
        legend(drawing, points["router"], note)
    return drawing


def _pairs(layout: Layout, points: pd.DataFrame, routers: int, across: int) -> tuple[Drawing, np.ndarray]:
    """Return a figure and its Axes[place, loss and accuracy], at least one place for each router.

    In one column the panels of a pair stand side by side, else one below the other, with `across` pairs in a band.
    """
    if layout.columns == 1:
        return grid(layout, points, routers, 2, height=1.6, sharex=True)
    bands = -(-routers // across)
    drawing, axes = grid(layout, points, 2 * bands, across, height=1.9, sharex=True)
    return drawing, axes.reshape(bands, 2, across).transpose(0, 2, 1).reshape(-1, 2)


def _loss_ticks(low: float, high: float) -> list[float]:
    """Return places of ticks of a logarithmic axis, the coarsest of which two or more lie between two losses."""
    from matplotlib.ticker import MaxNLocator

    if not 0 < low < high < inf:
        return []
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in _ROUND:
        places = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(places) > 1:
            return places
    return list(MaxNLocator(3).tick_values(low, high))


def _draw_curves(axes: "Axes", points: pd.DataFrame, measure: str) -> None:
    cells = list(points.groupby("cell", sort=True))
    for place, (_, curve) in enumerate(cells, start=1):
        color = style.style_of(str(curve["router"].iloc[0])).color
        axes.plot(curve["step"], curve[measure], color=color, alpha=0.3 + 0.7 * place / len(cells), linewidth=1.1)
        axes.fill_between(
            curve["step"], curve[f"{measure}_low"], curve[f"{measure}_high"], color=color, alpha=0.12, linewidth=0
        )
