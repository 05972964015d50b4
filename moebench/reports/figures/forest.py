"""Draw the mean difference of each two routers over a suite's cells, with its interval."""

from typing import TYPE_CHECKING

import pandas as pd

from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.chart_data import leading_quality
from moebench.reports.analysis.equal_flops import cost_mark
from moebench.reports.analysis.router_pairs import router_pairs
from moebench.reports.figures.axes import panels, plain
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import explain, noted
from moebench.reports.figures.registry import figure
from moebench.reports.labels import shortened
from moebench.reports.quantities import quantity, titled, written_change
from moebench.results.schema import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST = {1: 15, 2: 40}
"""Letters of a router's name by the columns of the figure."""


@figure(
    "forest",
    caption="Router against router: mean difference over the cells that differ in the router alone, with 95 % "
    "intervals. Grey: not significant, corrected for all pairs.",
    axes={"x": "one column"},
)
def forest(results: Results, x: str | None = None, layout: Layout = PAPER) -> Drawing:
    """Draw the difference of each two routers with its interval.

    The method is that of claims and of `moebench compare`.

    Args:
        results: the rows and cells to draw.
        x: the compared quantity; None means accuracy, or the cells' quality in its place.
        layout: place and size of the figure.

    Raises:
        BadInput: seeds do not vary the column, or no two routers can be compared.
    """
    x = x or leading_quality(results)
    points = router_pairs(results, x)
    of = quantity(x)
    with look():
        drawing, axes = panels(layout, points, 1, 1, height=0.5 + 0.19 * len(points))
        panel = axes[0, 0]
        scale = 100.0 if of.kind == "share" else 1.0
        panel.axvline(0, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        for place, row in enumerate(points.to_dict("records")):
            winner = row["better"]
            look_of = style.style_of(str(winner or row["a"]))
            color = look_of.color if winner else style.NOT_SIGNIFICANT
            low, value, high = (scale * row[name] for name in ("low", "effect", "high"))
            panel.plot([low, high], [place, place], color=color, linewidth=1.3, solid_capstyle="butt")
            panel.plot(value, place, marker=look_of.marker, color=color, markersize=4.5)
        _name(panel, points, of, layout)
        explain(drawing, {}, _note(points))
    return drawing


def _name(panel: "Axes", points: pd.DataFrame, of: Column, layout: Layout) -> None:
    """Write both routers of a row on its left.

    If the figure is wide, the difference is on the right.
    """
    several = points["device_kind"].nunique() > 1
    longest = _LONGEST[layout.columns]
    labels = []
    for row in points.to_dict("records"):
        device = f" ({shortened(str(row['device_kind']), longest)})" if several else ""
        mark = " ≠" if cost_mark(row["flops"]) else ""
        labels.append(plain(f"{shortened(row['a'], longest)} − {shortened(row['b'], longest)}{device}{mark}"))
    panel.set_yticks(range(len(points)), labels)
    panel.set_ylim(len(points) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False, axis="y")
    unit = "points" if of.kind == "share" else of.unit
    panel.set_xlabel(f"Difference in {(of.title if unit else titled(of)).lower()}" + (f" ({unit})" if unit else ""))
    if layout.columns > 1 and not layout.axes:
        right = panel.twinx()
        right.set_yticks(
            range(len(points)),
            [written_change(row["effect"], row["low"], row["high"], of.kind) for row in points.to_dict("records")],
        )
        right.set_ylim(panel.get_ylim())
        right.tick_params(axis="y", length=0)
        right.grid(visible=False)
        right.spines[["top", "right"]].set_visible(False)
    else:
        panel.xaxis.label.set(x=1, horizontalalignment="right")


def _note(points: pd.DataFrame) -> str:
    unequal = "≠: forward FLOPs differ by more than 3 %" if points["flops"].map(cost_mark).any() else ""
    corrected = f"grey: not significant, corrected for all {len(points)} pairs" if len(points) > 1 else ""
    return noted("bars: 95 % intervals", corrected or "grey: not significant", unequal)
