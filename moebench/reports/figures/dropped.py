"""Draw the share of dropped patches over the capacity factor, and one group's dropped patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.inside import analyses
from moebench.inside.analyses.capacity import slots_at
from moebench.inside.load import Recording
from moebench.reports import style
from moebench.reports.answer.inside import SHOWN_FACTOR
from moebench.reports.figures.axes import plain
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import explain
from moebench.reports.figures.patches import by_token, draw_picture, dropped_handle, hatch
from moebench.reports.figures.recorded import Choice, routing_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

FACTORS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 2.0)
_ORDER_NAMES = {"array": "array order", "priority": "by priority (BPR)"}
_DASHES: dict[str | None, Any] = {"array": "-", "priority": (0, (4, 2)), None: "-"}


@dataclass(frozen=True)
class Line:
    """One recording, with its tokens taking slots in one order."""

    recording: Recording
    order: str | None
    """None if experts choose, so that their gates are the order."""

    @property
    def name(self) -> str:
        """The router and the order."""
        router = self.recording.facts.router
        return plain(f"{router}: {_ORDER_NAMES[self.order]}" if self.order else router)

    def factors(self) -> list[float]:
        """Return the capacity factors for which the recording determines the dropped tokens."""
        own = self.recording.facts.capacity_factor
        limit = own if self.recording.facts.chosen_by != "tokens" and own is not None else np.inf
        return [factor for factor in FACTORS if factor <= limit]


@routing_figure(
    "dropped", caption="Tokens that no expert processes at other capacity factors, by array order and by priority."
)
def dropped(recordings: Sequence[Recording], choice: Choice, layout: Layout = PAPER) -> Drawing:
    """Draw the share of dropped tokens over C, and one group's dropped patches.

    The dropped patches are those of one group of images at C = 1/4. The tokens that are dropped at other C are computed
    from the recorded choices, with the recorded inputs of the layer.

    Args:
        recordings: recordings, of which those with a capacity are drawn.
        choice: the layer, and the number of images of the group.
        layout: place and size of the figure.

    Raises:
        BadInput: no recording has a capacity, or the layer does not exist.
    """
    lines = _lines(recordings)
    if not lines:
        raise BadInput("nothing to draw: none of the recorded cells has a capacity; choose tokens-choice or bpr.")
    frames = [line.recording.frame(layers=[choice.layer_of(line.recording)]) for line in lines]
    curves = pd.concat([_curve(line, frame) for line, frame in zip(lines, frames, strict=True)], ignore_index=True)
    shown = [(line, _needed(line, frame)) for line, frame in zip(lines, frames, strict=True)]
    images = _group(frames[0], choice.images or (8 if layout.columns > 1 else 4))
    with look():
        size = layout.width / (len(images) + 1.2)
        figure = Drawing(layout, curves, 2.0 + size * (len(lines) + 1) + 0.6)
        heights = [2.0, size * (len(lines) + 1)]
        above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        _draw_curves(above.subplots(), curves, lines)
        axes = below.subplots(len(lines) + 1, len(images), squeeze=False)
        pictures = lines[0].recording.pictures()
        _draw_priority(axes[0], lines[0], frames[0], images, pictures)
        for row, (line, needed) in enumerate(shown, start=1):
            _draw_dropped(axes[row], line, needed, images, pictures)
        below.supxlabel(f"images of one group in their order, at C = {SHOWN_FACTOR:g}", fontsize=7)
        layers = ", ".join(map(str, dict.fromkeys(choice.layer_of(line.recording) for line in lines)))
        note = f"MoE layer {layers}, its inputs as recorded · hatched: processed by no expert · top row: {_FIRST_ROW}"
        explain(figure, {**_handles(lines), "dropped": dropped_handle()}, note)
    return figure


_FIRST_ROW = "largest gate, bright patches take slots first by priority"


def _lines(recordings: Sequence[Recording]) -> list[Line]:
    lines = []
    for each in recordings:
        if each.facts.chosen_by == "tokens" and each.facts.router != "hash":
            lines += [Line(each, order) for order in ("array", "priority")]
        elif each.facts.chosen_by in ("experts", "mask"):
            lines.append(Line(each, None))
    # The choices of equal routers hardly differ, so that both orders of one of them suffice.
    choosing = [line for line in lines if line.order]
    first = next((line.recording for line in choosing if line.recording.facts.router == "bpr"), None)
    first = first or (choosing[0].recording if choosing else None)
    return [line for line in lines if line.order is None or line.recording is first]


def _needed(line: Line, frame: pd.DataFrame) -> pd.DataFrame:
    needed = analyses.slots_needed(frame, line.recording.facts.chosen_by, line.order)
    facts = line.recording.facts
    slots = slots_at(SHOWN_FACTOR, facts.tokens * facts.group_images, facts.top_k, facts.experts)
    return needed.assign(dropped=~(needed["slots"] <= slots))


def _curve(line: Line, frame: pd.DataFrame) -> pd.DataFrame:
    facts = line.recording.facts
    found = analyses.dropped_over_capacity(
        frame,
        line.factors(),
        top_k=facts.top_k,
        chosen_by=facts.chosen_by,
        order=line.order,
        recorded_factor=facts.capacity_factor,
    )
    return found.assign(order=line.order or "gates", line=line.name)


def _group(frame: pd.DataFrame, count: int) -> list[int]:
    """Return images of the first group, evenly spaced from first to last.

    If each group has one image, the result is the images of the first groups.
    """
    images = frame.drop_duplicates("image")[["image", "group"]]
    groups = images["group"].unique()
    first = images[images["group"] == groups[0]]
    if len(first) < 2:
        first = images
    places = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(int)
    if len(first) > count and images["group"].nunique() == len(images):
        places = np.arange(count)
    return [int(image) for image in first["image"].to_numpy()[places]]


def _draw_curves(axes: "Axes", curves: pd.DataFrame, lines: Sequence[Line]) -> None:
    from matplotlib.ticker import FuncFormatter

    for line in lines:
        here = curves[curves["line"] == line.name]
        look_of = style.style_of(line.recording.facts.router)
        axes.plot(
            here["capacity_factor"],
            here["dropped"],
            color=look_of.color,
            linestyle=_DASHES[line.order],
            marker=look_of.marker,
            markersize=3.5,
            linewidth=1.2,
        )
    axes.axvline(SHOWN_FACTOR, color="#999999", linewidth=0.8, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel="capacity factor C", ylabel="dropped tokens", ylim=(-0.02, None))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))


def _draw_priority(
    row: Sequence["Axes"], line: Line, frame: pd.DataFrame, images: Sequence[int], pictures: dict[int, np.ndarray]
) -> None:
    facts = line.recording.facts
    confidence = frame.drop_duplicates(["image", "token"]).set_index(["image", "token"])["confidence"].astype(float)
    low, high = confidence.min(), confidence.max()
    for axes, image in zip(row, images, strict=True):
        draw_picture(axes, pictures[image], facts)
        values = by_token(confidence.loc[image], facts)[int(facts.class_token) :].reshape(facts.grid, facts.grid)
        extent = (0, facts.grid, facts.grid, 0)
        axes.imshow(values, extent=extent, cmap="viridis", vmin=low, vmax=high, alpha=0.75, interpolation="nearest")
    row[0].set_ylabel("largest\ngate", fontsize=6.5)


def _draw_dropped(
    row: Sequence["Axes"], line: Line, needed: pd.DataFrame, images: Sequence[int], pictures: dict[int, np.ndarray]
) -> None:
    facts = line.recording.facts
    for axes, image in zip(row, images, strict=True):
        draw_picture(axes, pictures[image], facts)
        here = needed[needed["image"] == image].set_index("token")["dropped"]
        hatch(axes, by_token(here, facts, False).astype(bool), facts)
    row[0].set_ylabel(line.name.replace(": ", "\n").replace(" (", "\n(").replace("-", "-\n"), fontsize=6.5)


def _handles(lines: Sequence[Line]) -> "dict[str, Artist]":
    from matplotlib.lines import Line2D

    return {
        line.name: Line2D(
            [],
            [],
            color=style.style_of(line.recording.facts.router).color,
            marker=style.style_of(line.recording.facts.router).marker,
            linestyle=_DASHES[line.order],
            markersize=4,
            linewidth=1.2,
        )
        for line in lines
    }
