"""Draw the expert of each patch: images in rows, routers in columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from moebench.inside import analyses
from moebench.inside.load import Recording
from moebench.reports.figures.axes import grid
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import explain
from moebench.reports.figures.patches import (
    by_expert,
    by_token,
    draw_picture,
    dropped_handle,
    expert_handles,
    first_images,
    hatch,
    tint,
    titles_of,
)
from moebench.reports.figures.recorded import Choice, routed, routing_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOTE = "MoE layer {layers}; a patch is tinted by its first expert that processes it, hatched if no expert does"
_SOFT = " · soft routers: by the expert of most weight, the fainter the less weight"


@routing_figure("routing", caption="Which patch goes to which expert, for the same images under every router.")
def routing(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw equal images under every router, patches tinted by expert and hatched if dropped.

    Args:
        recordings: one recording for each column.
        choice: the layer, and the number of images.
        layout: place and size of the figure.

    Raises:
        BadInput: the recordings have no router, or the layer does not exist.
    """
    recordings = routed(recordings, "routing")
    layers = [choice.layer_of(each) for each in recordings]
    images = first_images(recordings[0], choice.images or (4 if layout.columns > 1 else 3))
    pictures = recordings[0].pictures()
    points = [_points(each, layer, images) for each, layer in zip(recordings, layers, strict=True)]
    wide = layout.columns > 1
    size = layout.width / (1 + len(recordings if wide else images))
    shape = (len(images), len(recordings) + 1) if wide else (len(recordings) + 1, len(images))
    with look():
        figure, axes = grid(layout, pd.concat(points, ignore_index=True), *shape, size)
        # One column has room for more rows than columns, so that the routers are in rows.
        panels = axes if wide else axes.T
        for row, image in enumerate(images):
            draw_picture(panels[row, 0], pictures[image], recordings[0].facts)
            for column, (recording, frame) in enumerate(zip(recordings, points, strict=True), start=1):
                _draw(panels[row, column], recording, frame[frame["image"] == image], pictures[image])
        labels = points[0].drop_duplicates("image").set_index("image")["label"]
        _name(panels[:, 0], [f"class {labels[image]}" for image in images], beside=wide)
        titles = titles_of(recordings, int((14 if wide else 16) * size))
        _name(panels[0], ["image", *titles], beside=not wide)
        handles = expert_handles(max(each.facts.experts for each in recordings))
        note = _NOTE.format(layers=", ".join(map(str, dict.fromkeys(layers))))
        note += _SOFT if any(each.facts.kind == "soft" for each in recordings) else ""
        explain(figure, {**handles, "dropped": dropped_handle()}, note)
    return figure


def _name(panels: np.ndarray, names: Sequence[str], *, beside: bool) -> None:
    """Write names beside the panels of a column, or over the panels of a row."""
    for panel, name in zip(panels, names, strict=True):
        if beside:
            panel.set_ylabel(name, fontsize=6.5)
        else:
            panel.set_title(name, fontsize=7)


def _points(recording: Recording, layer: int, images: Sequence[int]) -> pd.DataFrame:
    """Return one row for each patch of the images."""
    rows = recording.frame(layers=[layer], images=images)
    found = analyses.expert_map(rows)
    confidence = rows.dropna(subset="confidence").groupby(["image", "token"])["confidence"].first().astype(float)
    labels = rows.drop_duplicates("image").set_index("image")[["label", "prediction"]]
    return found.join(confidence, on=["image", "token"]).join(labels, on="image")


def _draw(axes: "Axes", recording: Recording, points: pd.DataFrame, pixels: np.ndarray) -> None:
    facts = recording.facts
    tokens = points.set_index("token")
    expert = by_token(tokens["first_processed"], facts, -1).astype(int)
    # A gate of 1/E has opacity 0, a gate of 1 full opacity.
    sure = (by_token(tokens["confidence"], facts, 0) - 1 / facts.experts) / (1 - 1 / max(2, facts.experts))
    opacity = np.clip(0.25 + 0.75 * sure, 0.25, 1) if facts.kind == "soft" else 1.0
    draw_picture(axes, pixels, facts, alpha=0.9)
    tint(axes, by_expert(expert, facts.experts, opacity), facts)
    hatch(axes, by_token(tokens["dropped"], facts, False).astype(bool), facts)
