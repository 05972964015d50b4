"""Draw how early in training the routing of tokens becomes that of the trained model."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from moebench.errors import BadInput
from moebench.inside import analyses
from moebench.inside.load import Recording
from moebench.reports import style
from moebench.reports.figures.axes import grid
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend
from moebench.reports.figures.recorded import Choice, routed, routing_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (4, 1.5, 1, 1.5)))
_DASH_NAMES = ("solid", "dashed", "dotted", "dash-dotted")
_TITLES = {
    "saturation": "experts of the trained model\nthat a token has already",
    "fluctuation": "tokens whose first expert\nis not the final one",
}


@routing_figure("dynamics", caption="How soon in training tokens are routed as the trained model routes them.")
def dynamics(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw saturation and fluctuation of the routing over the training steps.

    There is a line for each cell and layer.

    Args:
        recordings: recordings, of which those made during training are drawn.
        choice: the layer; None draws all.
        layout: place and size of the figure.

    Raises:
        BadInput: no recording was made during training, or the layer does not exist.
    """
    chosen = [each for each in routed(recordings, "routing") if len(each.facts.steps) > 1 and each.facts.experts > 1]
    if not chosen:
        raise BadInput(
            "nothing to draw: no recording was made during training; `record_during_training: 8` beside "
            "`record_routing` makes such recordings."
        )
    parts = []
    for each in chosen:
        layers = None if choice.layer is None else [choice.layer_of(each)]
        parts.append(analyses.dynamics(each.frame(layers=layers, all_steps=True)))
    points = pd.concat(parts, ignore_index=True)
    layers_drawn = sorted(points["layer"].unique())
    with look():
        figure, axes = grid(layout, points, *((1, 2) if layout.columns > 1 else (2, 1)), height=2.1)
        for panel, measure in zip(axes.flat, _TITLES, strict=True):
            _draw(panel, points, measure, layers_drawn)
        named = [f"{layer} {name}" for layer, name in zip(layers_drawn, itertools.cycle(_DASH_NAMES), strict=False)]
        note = f"MoE layers: {', '.join(named)}" if len(named) > 1 else f"MoE layer {layers_drawn[0]}"
        legend(figure, points["router"], f"{note} · the last step is the trained model's")
    return figure


def _draw(axes: "Axes", points: pd.DataFrame, measure: str, layers: Sequence[int]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    for (_, router, layer), line in points.groupby(["cell_id", "router", "layer"], sort=False):
        look_of = style.style_of(str(router))
        dash = _DASHES[layers.index(layer) % len(_DASHES)]
        form: dict[str, Any] = {"marker": look_of.marker, "linestyle": dash, "markersize": 3, "linewidth": 1.1}
        axes.plot(line["step"], line[measure], color=look_of.color, **form)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:g}"))
    steps = sorted(points["step"].unique())
    axes.set_xticks(steps[-1 :: -max(1, len(steps) // 4)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.set(xlabel="training step", ylabel=_TITLES[measure], ylim=(-0.03, 1.03))
