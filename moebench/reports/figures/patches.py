"""Draw images as their patches: tinted by expert, hatched if dropped, shaded by a weight."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from moebench.inside.load import Recording
from moebench.inside.schema import Facts
from moebench.reports.figures.axes import plain
from moebench.reports.labels import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HATCH = "/////"
"""Pattern over dropped patches, which makes them visible without any colour."""
_FEW = 9
"""Colours of seaborn's palette for colour-blind readers, its grey left out: images are grey."""
_GREY = 7
_NAMED = 16
_TINT = 0.62
Rgb = tuple[float, float, float]


def expert_colors(experts: int) -> list[Rgb]:
    """Return a colour for each expert, equal in every layer.

    Up to nine colours are distinct for colour-blind readers.
    """
    import seaborn

    few = [color for place, color in enumerate(seaborn.color_palette("colorblind")) if place != _GREY]
    palette = few[:experts] if experts <= _FEW else seaborn.color_palette("husl", experts)
    return [(float(red), float(green), float(blue)) for red, green, blue in palette]


def first_images(recording: Recording, count: int) -> list[int]:
    """Return the first recorded images, of as many different classes as there are."""
    frame = recording.frame(["image", "label"], layers=recording.facts.layers[:1]).drop_duplicates("image")
    by_class = frame[~frame["label"].duplicated()]
    rest = frame[frame["label"].duplicated()]
    return [int(image) for image in [*by_class["image"], *rest["image"]][:count]]


def draw_picture(axes: "Axes", pixels: np.ndarray, facts: Facts, alpha: float = 1.0) -> None:
    """Draw an image in a coordinate system whose unit is a patch.

    Args:
        axes: axes to draw in.
        pixels: uint8[height, width, channel].
        facts: facts of the recording, with the patches of a row.
        alpha: opacity.
    """
    shown: Any = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    extent = (0, facts.grid, facts.grid, 0)
    axes.imshow(shown, cmap="gray", extent=extent, interpolation="nearest", alpha=alpha, vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], xlim=(0, facts.grid), ylim=(facts.grid, 0), aspect="equal")
    axes.grid(visible=False)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def tint(axes: "Axes", colors: np.ndarray, facts: Facts) -> None:
    """Tint patches.

    Args:
        axes: axes with the image.
        colors: float[token, 4], red, green, blue and opacity; a class token's is left out.
        facts: facts of the recording.
    """
    patches = colors[int(facts.class_token) :].reshape(facts.grid, facts.grid, 4)
    axes.imshow(patches, extent=(0, facts.grid, facts.grid, 0), interpolation="nearest")


def by_expert(expert: np.ndarray, experts: int, opacity: np.ndarray | float = 1.0) -> np.ndarray:
    """Return colours and opacities float[token, 4] of patches by their experts.

    Patches of no expert stay clear.

    Args:
        expert: int[token], -1 for none.
        experts: number of experts.
        opacity: opacity of the tint, from 0 to 1, for all patches or float[token].
    """
    palette = np.array([*expert_colors(experts), (0.0, 0.0, 0.0)])
    strength = np.where(expert >= 0, _TINT * np.asarray(opacity), 0.0)
    return np.concatenate([palette[expert], strength[:, None]], axis=1)


def hatch(axes: "Axes", dropped: np.ndarray, facts: Facts) -> None:
    """Hatch the patches of dropped tokens, bool[token]."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    places = np.flatnonzero(dropped[int(facts.class_token) :]).tolist()
    squares = [Rectangle((place % facts.grid, place // facts.grid), 1, 1) for place in places]
    # A light ground under dark lines is visible on black and on white images.
    axes.add_collection(
        PatchCollection(squares, facecolor=(1, 1, 1, 0.55), edgecolor="#222222", hatch=HATCH, linewidth=0.3)
    )


def expert_handles(experts: int) -> dict[str, "Artist"]:
    """Return legend entries of the experts; of very many, the first and the last."""
    from matplotlib.patches import Patch

    colors = expert_colors(experts)
    named: Sequence[int] = range(experts) if experts <= _NAMED else (0, experts - 1)
    handles: dict[str, Artist] = {}
    for expert in named:
        name = f"expert {expert}" if expert in (0, experts - 1) else str(expert)
        handles[name] = Patch(facecolor=(*colors[expert], _TINT))
    return handles


def dropped_handle() -> "Artist":
    """Return the legend entry of dropped patches."""
    from matplotlib.patches import Patch

    return Patch(facecolor="white", edgecolor="#222222", hatch=HATCH, linewidth=0.3)


def title_of(recording: Recording, longest: int) -> str:
    """Return the cell's name for a panel."""
    return titles_of([recording], longest)[0]


def titles_of(recordings: Sequence[Recording], longest: int) -> list[str]:
    """Return the names of cells for panels side by side.

    Options that all of several cells share are left out.

    Args:
        recordings: one for each panel.
        longest: letters of a line.
    """
    options = [each.facts.cell.partition("[")[2].removesuffix("]").split(",") for each in recordings]
    shared = set.intersection(*map(set, options)) if len(options) > 1 else set()
    lines = [",".join(name for name in names if name not in shared) for names in options]
    return [
        plain(shortened(each.facts.router, longest)) + (f"\n{plain(shortened(line, longest))}" if line else "")
        for each, line in zip(recordings, lines, strict=True)
    ]


def by_token(values: Any, facts: Facts, fill: float = np.nan) -> np.ndarray:
    """Return values of an image's tokens as float[token].

    Args:
        values: a series by token number.
        facts: facts of the recording.
        fill: value of tokens without a value.
    """
    found: np.ndarray = values.reindex(range(facts.tokens), fill_value=fill).to_numpy()
    return found
