"""Draw the deviations of counts from printed costs, for every printed model."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from moebench.reports import style
from moebench.reports.figures.axes import grid
from moebench.reports.figures.layout import INK, PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {
    "params": "parameters",
    "eval_gflop_per_image": "GFLOP of inference for an image",
    "train_exaflop": "exaFLOP of training",
}


def agreement(frame: pd.DataFrame, layout: Layout = PAPER) -> Drawing:
    """Draw the deviation of counts from printed values over the printed values.

    There is a panel for each quantity.

    Args:
        frame: the result of `moebench.papers.agreement.compare`.
        layout: place and size of the figure.
    """
    points = frame[frame["printed"].notna()]
    shown = [quantity for quantity in _TITLES if quantity in set(points["quantity"])]
    with look():
        across = len(shown) if layout.columns > 1 else 1
        figure, axes = grid(layout, points, len(shown) // across, across, height=2.4)
        for panel, quantity in zip(axes.flat, shown, strict=True):
            _draw(panel, points[points["quantity"] == quantity])
            panel.set_xlabel(f"{_TITLES[quantity]}, as printed")
        for row in axes:
            row[0].set_ylabel("count / print − 1")
        note = (
            "grey: within the tolerance, where it is a share; printed parameters have as few as two digits · hollow: "
        )
        legend(figure, points["router"], note + "outside, or known to differ · scale: linear to 1 %, then logarithmic")
    return figure


def _draw(axes: "Axes", points: pd.DataFrame) -> None:
    from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter

    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=0.01, linscale=2)
    usual = points[points["why"].eq("") & points["tolerance"].ne("digits")]
    if len(usual):
        tolerance = float(usual["tolerance"].iloc[0])
        axes.axhspan(-tolerance, tolerance, color="#ececec", zorder=0)
    axes.axhline(0, color=INK, linewidth=0.9, zorder=1)
    for router, group in points.groupby("router", sort=False):
        look_of = style.style_of(str(router))
        sure = group["agrees"].eq(True) & group["why"].eq("")
        form: dict[str, Any] = {"marker": look_of.marker, "s": 18, "linewidths": 0.9, "edgecolors": look_of.color}
        faces = [look_of.color if each else "white" for each in sure]
        axes.scatter(group["printed_value"], group["deviation"], facecolors=faces, zorder=2, **form)
    reach = points["deviation"].abs().max()
    axes.set_ylim(-max(0.02, 1.4 * reach), 0.03)
    axes.yaxis.set_major_locator(FixedLocator([-0.1, -0.03, -0.01, 0, 0.01, 0.03]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %".replace("-", "−")))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
