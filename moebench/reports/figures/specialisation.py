"""Draw the classes and positions of each expert's tokens, ordered so that structure is visible."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from moebench.reports.figures.recorded import Choice, routed, routing_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = 2.0
"""log2 of the largest factor that the colours show: an expert that gets 4 times its share of a class."""
_LETTERS = 14
"""Letters of a title that have room on an inch of a panel's width, after subtracting the colour bar."""
_NOTE = (
    "MoE layer {layer} · orange: the expert gets more of the class or position than of all tokens, purple: less · "
    "experts and classes are ordered by likeness, positions row by row · information: bits, and in brackets those that "
    "chance gives (95 %)"
)


@routing_figure("specialisation", caption="Which experts serve which classes and positions, with their information.")
def specialisation(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw experts over classes and positions, coloured by the counts' deviation from independence.

    Args:
        recordings: one recording for each column.
        choice: the layer.
        layout: place and size of the figure.

    Raises:
        BadInput: no recording has several experts, or the layer does not exist.
    """
    recordings = [each for each in routed(recordings, "experts") if each.facts.experts > 1]
    if not recordings:
        raise BadInput("nothing to draw: none of the recorded cells has several experts.")
    parts = []
    panels: list[tuple[Recording, str, pd.DataFrame, pd.Series[Any]]] = []
    for each in recordings:
        frame = each.frame(layers=[choice.layer_of(each)])
        for of, counts in (("class", analyses.class_counts(frame)), ("position", analyses.position_counts(frame))):
            value = {"class": "label", "position": "token"}[of]
            counts = counts.rename(columns={value: "value"}).assign(of=of)
            information = analyses.expert_information(frame, "class" if of == "class" else "position").iloc[0]
            parts.append(counts)
            panels.append((each, of, counts, information))
    with look():
        wide = layout.columns > 1
        shape = (2, len(recordings)) if wide else (len(recordings), 2)
        figure, axes = grid(layout, pd.concat(parts, ignore_index=True), *shape, height=1.75)
        axes = axes if wide else axes.T
        shown: Any = None
        for place, (recording, of, counts, information) in enumerate(panels):
            panel = axes[place % 2, place // 2]
            shown = _draw(panel, counts, cluster_values=of == "class")
            longest = int(_LETTERS * layout.width / shape[1])
            panel.set_title(_title(recording, of, information, longest), fontsize=6.5)
            panel.set_xlabel({"class": "classes", "position": "positions"}[of], fontsize=7)
            panel.set_ylabel("experts" if place // 2 == 0 or not wide else "", fontsize=7)
        bar = figure.colorbar(shown, ax=axes, aspect=30, shrink=0.8, ticks=[-2, -1, 0, 1, 2])
        bar.ax.set_yticklabels(["¼ ×", "½ ×", "1 ×", "2 ×", "4 ×"])
        layers = ", ".join(map(str, dict.fromkeys(choice.layer_of(each) for each in recordings)))
        explain(figure, {}, _NOTE.format(layer=layers))
    return figure


def _title(recording: Recording, of: str, information: "pd.Series[Any]", longest: int) -> str:
    bits = f"{information['information']:.2f} bits [{information['null_high']:.2f}]"
    return f"{title_of(recording, min(longest, 22))}\n{bits}" if of == "class" else bits


def _draw(axes: "Axes", counts: pd.DataFrame, *, cluster_values: bool) -> Any:
    lift = counts.pivot(index="expert", columns="value", values="lift").to_numpy(float)
    with np.errstate(divide="ignore"):
        values = np.clip(np.nan_to_num(np.log2(lift), nan=0.0, neginf=-REACH), -REACH, REACH)
    values = values[clustered(values)]
    if cluster_values:
        values = values[:, clustered(values.T)]
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    return axes.imshow(values, aspect="auto", cmap="PuOr_r", vmin=-REACH, vmax=REACH, interpolation="nearest")
