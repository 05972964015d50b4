"""Draw a soft router's slots: their weights over an image, and their numbers of tokens.

The number of tokens counts the tokens that carry the weights.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.inside import analyses
from moebench.inside.load import Recording
from moebench.reports import style
from moebench.reports.answer.inside import slots_verdict
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import explain
from moebench.reports.figures.patches import by_token, draw_picture, first_images
from moebench.reports.figures.recorded import Choice, routing_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARE = 0.9


@routing_figure("slots", caption="What slots of a soft router hold of an image, and how many tokens carry a slot.")
def slots(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw slots' dispatch weights over images, and cumulative weights of slots and tokens.

    Args:
        recordings: recordings, of which the first of a soft router is drawn.
        choice: the layer, and the number of images.
        layout: place and size of the figure.

    Raises:
        BadInput: no recording is of a soft router, or the layer does not exist.
    """
    recording = next((each for each in recordings if each.facts.kind == "soft"), None)
    if recording is None:
        raise BadInput("nothing to draw: none of the recorded cells has slots that hold mixtures; choose soft.")
    layer = choice.layer_of(recording)
    images = first_images(recording, choice.images or (3 if layout.columns > 1 else 2))
    frame = recording.frame(layers=[layer])
    shown = _shown_slots(frame, 8 if layout.columns > 1 else 4)
    columns = len(shown)
    weights = pd.concat([analyses.slot_weights(frame, image).assign(image=image) for image in images])
    sums = {of: analyses.cumulative_weights(frame, of) for of in ("dispatch", "combine")}
    needed = analyses.tokens_for_share(frame, SHARE)["tokens"]
    points = pd.concat([sums[of].assign(weights=of) for of in sums], ignore_index=True)
    size = layout.width / (columns + 1)
    with look():
        figure = Drawing(layout, points, size * len(images) + 2.4)
        above, below = figure.subfigures(2, 1, height_ratios=[size * len(images), 1.9], squeeze=False)[:, 0]
        axes = above.subplots(len(images), columns + 1, squeeze=False)
        reach = float(weights["relative"].max())
        _draw_maps(axes, recording, weights, images, shown, reach)
        bar = above.colorbar(axes[0, -1].images[-1], ax=axes, aspect=25, shrink=0.9)
        bar.set_label("weight × tokens", fontsize=7)
        panels = below.subplots(1, 2)
        color = style.style_of(recording.facts.router).color
        for panel, of in zip(panels, sums, strict=True):
            _draw_sums(panel, sums[of], of, color)
        explain(
            figure, {}, f"{recording.facts.cell}, MoE layer {layer} · {slots_verdict(needed, recording.facts.tokens)}"
        )
    return figure


def _shown_slots(frame: pd.DataFrame, count: int) -> list[tuple[int, int]]:
    """Return expert and slot of a number of slots, of different experts first.

    Args:
        frame: rows of a soft router.
        count: number of slots.
    """
    known = frame.loc[frame["slot"] >= 0, ["slot", "expert"]].drop_duplicates().sort_values(["slot", "expert"])
    first = known.head(count)
    return list(zip(first["expert"].tolist(), first["slot"].tolist(), strict=True))


def _draw_maps(
    axes: np.ndarray,
    recording: Recording,
    weights: pd.DataFrame,
    images: Sequence[int],
    shown: Sequence[tuple[int, int]],
    reach: float,
) -> None:
    facts = recording.facts
    pictures = recording.pictures()
    by_slot = weights.set_index(["image", "expert", "slot", "token"])["relative"].sort_index()
    extent = (0, facts.grid, facts.grid, 0)
    for row, image in enumerate(images):
        draw_picture(axes[row, 0], pictures[image], facts)
        for column, (expert, slot) in enumerate(shown, start=1):
            # Opaque: otherwise the brightness of the image would look like weight.
            draw_picture(axes[row, column], np.zeros_like(pictures[image]), facts)
            values = by_token(by_slot.loc[(image, expert, slot)], facts, 0.0)[int(facts.class_token) :]
            axes[row, column].imshow(
                values.reshape(facts.grid, facts.grid),
                extent=extent,
                cmap="magma",
                vmin=0,
                vmax=reach,
                alpha=0.8,
                interpolation="nearest",
            )
    axes[0, 0].set_title("image", fontsize=7)
    several = any(slot for _, slot in shown)
    for column, (expert, slot) in enumerate(shown, start=1):
        axes[0, column].set_title(f"expert {expert}" + (f"\nslot {slot}" if several else ""), fontsize=6.5)


def _draw_sums(axes: "Axes", sums: pd.DataFrame, of: str, color: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    count = sums["count"]
    axes.plot(count, sums["mean"], color=color, linewidth=1.4)
    for low, high, alpha in (("q05", "q95", 0.15), ("q25", "q75", 0.25)):
        axes.fill_between(count, sums[low], sums[high], color=color, alpha=alpha, linewidth=0)
    axes.plot([0, count.max()], [0, 1], color="#777777", linewidth=0.9, linestyle=(0, (4, 2)))
    axes.axhline(SHARE, color="#999999", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    whose, what = ("slot", "tokens") if of == "dispatch" else ("token", "slots")
    axes.set(xlabel=f"heaviest {what}", ylabel=f"share of a {whose}'s weight", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
