"""Draw the costs of a router: FLOPs by part, and time beside a dense model."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from moebench.reports import flag_marks, style
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import panels, plain
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted, parts_legend
from moebench.reports.figures.marks import bars
from moebench.reports.figures.registry import figure
from moebench.reports.figures.units import dress
from moebench.reports.labels import brief_labels
from moebench.reports.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 80
"""Most cells that one figure has a line for; a page of paper has no room for more."""


@figure(
    "costs",
    caption="Where the FLOPs of a forward pass go.",
    needs=("flops_forward_per_image",),
)
def costs(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw the FLOPs of a forward pass, a bar for each cell, stacked by part.

    Raises:
        BadInput: no cell has its FLOPs counted.
    """
    points, left_out = _first_cells(chart_data.costs(results))
    cells = list(dict.fromkeys(points["cell"]))
    with look():
        drawing, axes = panels(layout, points, 1, 1, height=_height(len(cells)))
        (panel,) = axes.flat
        reached = np.zeros(len(cells))
        for part, color in style.PARTS.items():
            flops = points[points["part"] == part].set_index("cell")["flops"].reindex(cells).fillna(0).to_numpy(float)
            panel.barh(range(len(cells)), flops, left=reached, color=color, height=0.72, linewidth=0)
            reached += flops
        names = _name_lines(panel, results, cells, layout)
        dress(panel.xaxis, quantity("flops_forward_per_image"), narrow=layout.columns == 1)
        present = [part for part in style.PARTS if part in set(points["part"])]
        note = noted(f"one image; 1 multiply-add is 2 FLOPs · {style.THE_REST}", names, left_out)
        parts_legend(drawing, {part: style.PARTS[part] for part in present}, note)
    return drawing


@figure(
    "speed",
    caption="Times over those of the dense twin, timed in turns. Hollow marks: timing with a flag.",
)
def speed(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw each cell's times of training steps and inference over the dense twin's times.

    There is a line for each cell. Every cell is timed in turns with its dense twin, so that the ratio can be compared
    if seconds cannot. Bars are 95 % intervals; a hollow mark is a time measured under a flag.

    Raises:
        BadInput: no cell was timed beside a dense twin.
    """
    points, left_out = _first_cells(chart_data.speed(results))
    ratios = list(dict.fromkeys(points["quantity"]))
    cells = list(dict.fromkeys(points["cell"]))
    points = points.assign(y=points["cell"].map({cell: place for place, cell in enumerate(cells)}))
    with look():
        drawing, axes = panels(layout, points, 1, len(ratios), height=_height(len(cells)))
        for place, (panel, ratio) in enumerate(zip(axes.flat, ratios, strict=True)):
            _draw_speed(panel, points[points["quantity"] == ratio])
            names = _name_lines(panel, results, cells, layout, named=place == 0 or layout.columns == 1)
            dress(panel.xaxis, quantity(ratio), narrow=True)
        flagged = flag_marks.note(results.cells, ratios)
        hollow = f"hollow: {flagged}" if flagged else ""
        note = noted("bars: 95 % intervals · dashed: the dense twin", hollow, names, left_out)
        legend(drawing, points["router"], note)
    return drawing


def _draw_speed(axes: "Axes", points: pd.DataFrame) -> None:
    axes.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for router, group in points.groupby("router", sort=False):
        look_of = style.style_of(str(router))
        bars(axes, group, look_of.color)
        faces = [look_of.color if flags == "" else "white" for flags in group["flags"]]
        form: dict[str, Any] = {"marker": look_of.marker, "s": 24, "linewidths": 1.0, "edgecolors": look_of.color}
        axes.scatter(group["x"], group["y"], facecolors=faces, zorder=3, **form)


def _first_cells(points: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of the first cells, and a note on further cells.

    The cells are as many as a figure has lines.
    """
    cells = points["cell"].unique()
    if len(cells) <= MOST_LINES:
        return points, ""
    return points[points["cell"].isin(cells[:MOST_LINES])], f"the first {MOST_LINES} of {len(cells):,} cells"


def _height(lines: int) -> float:
    return 0.7 + 0.16 * lines


def _name_lines(axes: "Axes", results: Results, cells: list[int], layout: Layout, *, named: bool = True) -> str:
    """Write the name of each cell beside its line; return the note on names.

    The first cell is on top.
    """
    names, note = brief_labels(results.cells.iloc[cells], 44 if layout.columns > 1 else 26)
    labels = [plain(name) for name in names]
    axes.set_yticks(range(len(labels)), labels if named else [])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    if layout.columns == 1:  # long names leave less room than the title of the axis needs
        axes.xaxis.label.set(x=1, horizontalalignment="right")
    axes.grid(visible=False, axis="y")
    return note
