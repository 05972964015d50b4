"""Draw how evenly experts are used, and how many tokens are dropped."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.reports import style
from moebench.reports.analysis import chart_data, seed_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import in_lines, plain, side_by_side, two_rows
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.marks import draw_dots, draw_scaling
from moebench.reports.figures.registry import figure
from moebench.reports.figures.units import dress
from moebench.reports.labels import point_names, shortened, varied_title
from moebench.reports.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 320
"""Columns of a heat map: divides by the usual numbers of experts."""
_BESIDE = 1.3
"""Inches beside the heat maps, for the names of lines and the bar of colours."""
_FRAME = "#b8b8be"
_TICKS, _LETTERS = 4, 14
"""Numbers of ticks, and of letters of a line of a title, that have room below a panel of half a column."""
_SHARES = ("dropped_tokens", "router_entropy", "dead_experts")


@figure(
    "health",
    caption="How evenly experts are used, from the fullest to the emptiest, and what is dropped.",
    needs=("expert_load",),
)
def health(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw every expert's load as a heat map for each router, and shares below.

    The shares are dropped tokens, entropy and dead experts. The shares are drawn over the varied input, as in
    `scaling` or, if the input is no number, in `dots`.

    Args:
        results: the rows and cells to draw.
        layout: place and size of the figure.

    Raises:
        BadInput: no cell has expert loads.
    """
    load = seed_data.load(results)
    names = point_names(results.cells)
    named = [names.iloc[cell] for cell in load["cell"]]
    load["line"] = [
        f"{name} · {block}" if name else str(block) for name, block in zip(named, load["layer"], strict=True)
    ]
    lines = list(dict.fromkeys(load.sort_values(["experts", "cell", "layer"], kind="stable")["line"]))
    routers = style.in_order(load["router"].astype(str))
    known = [name for name in _SHARES if results.cells[name].notna().any()]
    # A word in the note replaces a panel of zeros.
    measures = [name for name in known if (results.cells[name] > 0).any()] or known[:1]
    zero = [quantity(name).title.lower() for name in known if name not in measures]
    varied = chart_data.varied_number(results)
    shares = chart_data.scaling(results, measures, varied) if varied else chart_data.dots(results, measures)
    behind = pd.concat([load.assign(quantity="expert_load", y=load["load"]).drop(columns="load"), shares])
    with look():
        heights = (max(1.5, 0.8 + 0.13 * len(lines)), 2.0 if varied else 0.9 + 0.22 * shares["category"].nunique())
        drawing, above, below = two_rows(layout, behind, len(routers), len(measures), heights)
        across = side_by_side(layout, len(routers))
        # The colours reach as far as loads deviate from an even share, but not beyond an empty expert.
        reach = min(1.0, max(0.1, float((load["load"] - 1).abs().max())))
        for place, (panel, router) in enumerate(zip(above, routers, strict=True)):
            first, last = place % across == 0, place == len(routers) - 1 or (place + 1) % across == 0
            _draw_load(panel, load[load["router"] == router], lines, reach, bar=last)
            panel.set_title(in_lines(router, (layout.width - _BESIDE) / across))
            named = [plain(shortened(line, 24)) for line in lines] if first else []
            panel.set_yticks(np.arange(len(lines)) + 0.5, named)
            panel.tick_params(axis="y", length=0, labelsize=6.5, labelrotation=0)
        title = varied_title(results.cells)
        above[0].set_ylabel(f"{title},\nblock" if title else "block")
        above[0].set_xlabel("experts, fullest first", loc="left")
        routed = shares[shares["router"] != "dense"]
        for place, (panel, measure) in enumerate(zip(below, measures, strict=True)):
            sparse = routed[routed["quantity"] == measure]
            if varied is not None:
                draw_scaling(panel, sparse, quantity(measure), quantity(varied))
                top = 1.0 if measure == "router_entropy" else max(0.02, sparse["y"].max())
                panel.set_ylim(-0.04 * top, 1.08 * top)
                if layout.columns == 1 and len(panel.get_xticks()) > _TICKS:
                    panel.set_xticks(panel.get_xticks()[::2], minor=False)
            else:
                draw_dots(panel, sparse, quantity(measure), title, routed)
                if place % (len(measures) if layout.columns > 1 else 2):
                    panel.set_yticklabels([])
                    panel.set_ylabel("")
                if layout.columns == 1:
                    dress(panel.xaxis, quantity(measure), narrow=True, longest=_LETTERS)
        note = noted(
            "heat maps: the experts of a layer from the fullest to the emptiest, mean over seeds; 1 is an even share",
            f"{' and '.join(zero)}: none" if zero else "",
        )
        legend(drawing, load["router"], note)
    return drawing


def _draw_load(axes: "Axes", load: pd.DataFrame, lines: list[str], reach: float, *, bar: bool) -> None:
    """Draw one router's heat map, a line for each of `lines`.

    Colours are from 1 − `reach` to 1 + `reach`.
    """
    import seaborn

    picture = np.full((len(lines), _WIDE), np.nan)
    for line, cells in load.groupby("line"):
        values = cells.sort_values("place")["load"].to_numpy(float)
        picture[lines.index(str(line))] = values[np.arange(_WIDE) * len(values) // _WIDE]
    seaborn.heatmap(
        picture,
        vmin=1 - reach,
        vmax=1 + reach,
        cmap="PuOr_r",
        ax=axes,
        xticklabels=False,
        yticklabels=False,
        cbar=bar,
        cbar_kws={"label": "load / even share", "extend": "max" if reach == 1 else "neither"} if bar else None,
        rasterized=True,
    )
    # If all loads are even the map is nearly white: its frame shows that it is there.
    axes.spines[:].set(visible=True, color=_FRAME, linewidth=0.6)
