"""Draw how often two experts process the same token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.inside import analyses
from moebench.inside.load import Recording
from moebench.reports.figures.axes import grid
from moebench.reports.figures.clusters import clustered
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import explain
from moebench.reports.figures.patches import title_of
from moebench.reports.figures.recorded import Choice, routing_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_NOTE = "row: expert a, column: expert b, ordered by likeness · N_ab / N_a over all pairs of a token's choices"


@routing_figure("coactivation", caption="How often tokens that one expert serves are served by another expert too.")
def coactivation(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw the share N_ab / N_a of an expert's tokens that another expert processes too.

    There is a panel for each layer.

    Args:
        recordings: recordings, of which those with several experts for a token are drawn.
        choice: the layer; None draws all.
        layout: place and size of the figure.

    Raises:
        BadInput: every token of every recording has one expert, or the layer does not exist.
    """
    chosen = [each for each in recordings if each.facts.kind == "hard" and each.facts.experts > 1]
    pairs = []
    for each in chosen:
        layers = each.facts.layers if choice.layer is None else (choice.layer_of(each),)
        found = analyses.coactivation(each.frame(layers=layers))
        if found["tokens"].sum():
            pairs.append((each, layers, found))
    if not pairs:
        raise BadInput("nothing to draw: no recorded cell has tokens of several experts; top_k=2 gives them two.")
    panels = [(each, layer, found[found["layer"] == layer]) for each, layers, found in pairs for layer in layers]
    across = min(len(panels), 4 if layout.columns > 1 else 2)
    down = -(-len(panels) // across)
    with look():
        frame = pd.concat([found for _, _, found in pairs], ignore_index=True)
        figure, axes = grid(layout, frame, down, across, height=layout.width / across + 0.1)
        reach = float(frame["share"].max())
        for panel, (each, layer, found) in zip(axes.flat, panels, strict=False):
            share = found.pivot(index="expert", columns="other", values="share").to_numpy(float)
            order = clustered(np.nan_to_num(share))
            shown = panel.imshow(share[np.ix_(order, order)], cmap="viridis", vmin=0, vmax=reach)
            panel.set_title(f"{title_of(each, 20)}\nlayer {layer}", fontsize=6.5)
            _name(panel, order)
        for panel in axes.flat[len(panels) :]:
            panel.remove()
        bar = figure.colorbar(shown, ax=list(axes.flat[: len(panels)]), aspect=25, shrink=0.8)
        bar.set_label("share of a's tokens", fontsize=7)
        explain(figure, {}, _NOTE)
    return figure


def _name(axes: "Axes", order: np.ndarray) -> None:
    """Write the numbers of rows and columns beside them, if there is room."""
    few = len(order) <= 16
    places = range(len(order)) if few else []
    names = [str(expert) for expert in order] if few else []
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(places, names, fontsize=5.5)
        axis.set_tick_params(length=0)
    axes.grid(visible=False)
