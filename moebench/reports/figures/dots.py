"""Draw quantities by category: a suite's non-numeric input, or the routers themselves."""

from collections.abc import Sequence

from moebench.reports import flag_marks
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import groups, panels
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.marks import draw_dots, unequal_note
from moebench.reports.figures.registry import figure
from moebench.reports.labels import varied_title
from moebench.reports.quantities import quantity

_FIRST = ("few_shot_10", "train_step_vs_dense", "dropped_tokens")
"""Quantities, of which the first that cells have is drawn by default, beside accuracy or its replacement."""
_APART = ("data", "device_kind")


@figure(
    "dots",
    caption="Quantities by what the suite varies: a row for each of its values, a dot for each router. Bars and band: "
    "95 % intervals; band: dense.",
    axes={"x": "several columns"},
)
def dots(results: Results, x: Sequence[str] | None = None, layout: Layout = PAPER) -> Drawing:
    """Draw quantities by the varied input, a row for each of its values.

    There is a panel for each quantity.

    Args:
        results: the rows and cells to draw.
        x: the quantities; None means accuracy, or the cells' quality in its place, and a second quantity.
        layout: place and size of the figure.

    Raises:
        BadInput: a column is not numeric, or no cell has a value for it.
    """
    first = chart_data.leading_quality(results)
    known = [name for name in (first, *_FIRST) if results.cells[name].nunique() > 1]
    names = list(x or known[: len(layout.axes) or 2] or [first])
    points = chart_data.dots(results, names, _APART)
    with look():
        rows = groups(points, _APART)
        lines = max(points.loc[here, "category"].nunique() for _, here in rows)
        together = int(points.groupby([*_APART, "category"], dropna=False)["router"].nunique().max())
        height = 0.7 + lines * max(0.22, 0.09 * min(together, 6))
        drawing, axes = panels(layout, points, len(rows), len(names), height=height)
        by_router = (points["category"] == points["router"]).all()
        title = "" if by_router else varied_title(results.cells, _APART)
        for row, (name, here) in enumerate(rows):
            for column, drawn in enumerate(names):
                panel = axes[row, column]
                draw_dots(panel, points[here & (points["quantity"] == drawn)], quantity(drawn), title, points[here])
                if column and layout.columns > 1:
                    panel.set_yticklabels([])
                    panel.set_ylabel("")
            axes[row, 0].set_title(name, loc="left")
        dense = points[points["router"] == "dense"]
        banded = len(dense) > 0 and dense["category"].nunique() == 1 < points["category"].nunique()
        note = noted(
            "bars and band: 95 % intervals · band: dense" if banded else "bars: 95 % intervals",
            unequal_note(points),
            flag_marks.note(results.cells, names),
        )
        legend(drawing, points["router"], note)
    return drawing
