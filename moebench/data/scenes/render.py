"""Render placed objects as images, with arithmetic that gives equal bytes on every machine.

The coverage of a pixel follows from its distance to the edge of a shape. The arithmetic uses only sums, products,
quotients, square roots and comparisons of single floating-point numbers, which IEEE 754 rounds in one way.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from moebench.data.scenes.sample import RADII, Layout, Placed

PERIODS = 8
"""Periods of a texture along the side of an image."""
_DARK = 0.65
"""Brightness of the dark parts of a texture."""
_NOISE = 8
"""Noise changes a colour value by −8 to 7 of 255."""
_PENTAGON = (
    (0.0, -1.0),
    (0.95105654, -0.30901699),
    (0.58778524, 0.80901699),
    (-0.58778524, 0.80901699),
    (-0.95105654, -0.30901699),
)
"""Directions of the five tips of a star."""
_SLOPE = 0.70710677

Plane = Float32[np.ndarray, "object window window"]
Shape = Callable[[Plane, Plane], Plane]
"""Returns the distance to the edge, negative inside, from the places right of and below the centre, all in radii."""


def _circle(u: Plane, v: Plane) -> Plane:
    distance: Plane = np.sqrt(u * u + v * v) - 0.98
    return distance


def _square(u: Plane, v: Plane) -> Plane:
    distance: Plane = np.maximum(np.abs(u), np.abs(v)) - 0.84
    return distance


def _triangle(u: Plane, v: Plane) -> Plane:
    lowered = v - 0.28
    sides = 0.8660254 * np.abs(u) - 0.5 * lowered
    distance: Plane = np.maximum(sides, lowered) - 0.6
    return distance


def _diamond(u: Plane, v: Plane) -> Plane:
    distance: Plane = (np.abs(u) + np.abs(v) - 1.08) * _SLOPE
    return distance


def _star(u: Plane, v: Plane) -> Plane:
    # A point of a star lies beyond at most one of the five lines of a pentagram.
    beyond = np.stack([x * u + y * v for x, y in _PENTAGON])
    beyond.partition(3, axis=0)
    distance: Plane = beyond[3] - 0.36
    return distance


def _cross(u: Plane, v: Plane) -> Plane:
    across, down = np.abs(u), np.abs(v)
    arm, tip = 0.32, 1.0
    distance: Plane = np.minimum(np.maximum(across - arm, down - tip), np.maximum(across - tip, down - arm))
    return distance


def _ring(u: Plane, v: Plane) -> Plane:
    distance: Plane = np.abs(np.sqrt(u * u + v * v) - 0.78) - 0.22
    return distance


def _heart(u: Plane, v: Plane) -> Plane:
    across, down, half = np.abs(u), v - 0.1, 0.78
    tip = (across + np.abs(down) - half) * _SLOPE
    x, y = across - half / 2, down + half / 2
    distance: Plane = np.minimum(tip, np.sqrt(x * x + y * y) - half * _SLOPE)
    return distance


_SHAPES: dict[str, Shape] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
}


def render(
    layouts: Sequence[Layout], size: int, generator: np.random.Generator
) -> UInt8[np.ndarray, "image size size 3"]:
    """Render scenes as images.

    Args:
        layouts: scenes with the places of their objects.
        size: side in pixels, a multiple of `PERIODS`.
        generator: draws the noise of the pixels.
    """
    window = int(2 * RADII["large"][1] * 1.2 * size) + 3
    margin = window
    side = size + 2 * margin
    canvas = np.empty((len(layouts), side, side, 3), np.float32)
    canvas[:] = np.array([layout.ground for layout in layouts], np.float32)[:, None, None]
    objects = [placed for layout in layouts for placed in layout.placed]
    corners, coverage = _coverage(objects, size, window)
    textures = _textures(size, window)
    number = 0
    for image, layout in zip(canvas, layouts, strict=True):
        for placed in layout.placed:
            x, y = corners[number] + margin
            part = image[y : y + window, x : x + window]
            colour = textures[placed.thing.texture, placed.shift] * np.array(placed.colour, np.float32)
            part += coverage[number, :, :, None] * (colour - part)
            number += 1
    found = canvas[:, margin : margin + size, margin : margin + size]
    noise = np.frombuffer(generator.bytes(found.size), np.uint8).reshape(found.shape) & (2 * _NOISE - 1)
    # Half of a step is added, since bytes are rounded down.
    return (found + (noise.astype(np.float32) - (_NOISE - 0.5))).clip(0, 255).astype(np.uint8)


def _coverage(objects: Sequence[Placed], size: int, window: int) -> tuple[Int64[np.ndarray, "object 2"], Plane]:
    """Return the corner of each object's window in pixels, and its pixels' coverage.

    Coverage is the share of a pixel that the object covers.
    """
    centres = np.array([(placed.x, placed.y) for placed in objects]) * size
    radii = np.array([placed.radius for placed in objects]) * size
    corners = np.floor(centres).astype(np.int64) - window // 2
    coverage = np.empty((len(objects), window, window), np.float32)
    members: dict[str, list[int]] = defaultdict(list)
    for number, placed in enumerate(objects):
        members[placed.thing.shape].append(number)
    pixels = np.arange(window) + 0.5
    for shape, chosen in members.items():
        near = (corners[chosen, :, None] - centres[chosen, :, None] + pixels) / radii[chosen, None, None]
        x, y = near[:, 0, None, :].astype(np.float32), near[:, 1, :, None].astype(np.float32)
        distance = _SHAPES[shape](x, y)
        radius = radii[chosen, None, None].astype(np.float32)
        coverage[chosen] = (0.5 - distance * radius).clip(0, 1)
    return corners, coverage


@cache
def _textures(size: int, window: int) -> dict[tuple[str, tuple[int, int]], Float32[np.ndarray, "window window 1"]]:
    """Return the brightness of each texture at each shift, over the window of an object."""
    period = size / PERIODS
    pixels = np.arange(window) + 0.5
    found: dict[tuple[str, tuple[int, int]], np.ndarray] = {}
    for shift in ((across, down) for across in range(8) for down in range(8)):
        x, y = ((pixels + each * period / 8) % period for each in shift)
        dot = (x[None, :] - period / 2) ** 2 + (y[:, None] - period / 2) ** 2 < (0.32 * period) ** 2
        stripe = np.broadcast_to(y[:, None] < period / 2, dot.shape)
        dark = {"plain": np.zeros_like(dot), "striped": stripe, "dotted": dot}
        found |= {
            (name, shift): np.where(each, np.float32(_DARK), np.float32(1))[..., None] for name, each in dark.items()
        }
    return found
