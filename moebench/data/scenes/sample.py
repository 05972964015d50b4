"""Draw scenes at random: which objects, in which relations, at which places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from moebench.data.scenes.scene import (
    COLOURS,
    CONTAINERS,
    SEEN_COMBINATIONS,
    SIZES,
    TEXTURES,
    Group,
    Relation,
    Scene,
    Thing,
    is_drawable,
)

T = TypeVar("T")
RADII = {"small": (0.135, 0.165), "large": (0.205, 0.235)}
"""Least and largest radius of each size, as shares of the image's side."""
_INNER = 0.54
"""Radius of an object inside another one, as a share of the outer radius."""
_REACH = 1.06
"""Radii from the centre of a shape that stay within the image, but for the corners of a square."""
_SPREAD = 0.06
"""Most by which two objects beside each other differ in height, as a share of the image's side."""
_TURNS = 8
"""Turns to either side; the largest is about 7 degrees, so that a square is no diamond."""
_TINT = 10
"""Most by which each channel of a colour changes."""
_QUARTER = 0.25
_CONTAINING = tuple(each for each in SEEN_COMBINATIONS if each[1] in CONTAINERS)

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of the image's side."""
Range = tuple[float] | tuple[float, float]
"""Low and high end of a coordinate; one value alone stands for itself and a little to either side."""


class Dice:
    """Random choices from a generator, whose numbers are drawn many at a time."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._numbers = self._draw(generator)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, each as likely."""
        return options[next(self._numbers) % len(options)]

    def between(self, low: float, high: float) -> float:
        """Return a number of the interval, evenly distributed; the middle of an interval that is empty."""
        share = next(self._numbers) / 2**32
        return low + (high - low) * share if low < high else (low + high) / 2

    def below(self, number: int) -> int:
        """Return a whole number from 0 to `number` − 1."""
        return next(self._numbers) % number

    @staticmethod
    def _draw(generator: np.random.Generator) -> Iterator[int]:
        while True:
            yield from generator.integers(2**32, size=4096, dtype=np.uint64).tolist()


@dataclass(frozen=True)
class Placed:
    """An object at its place."""

    thing: Thing
    x: float
    """Centre, as a share of the image's side from the left."""
    y: float
    """Centre, as a share of the image's side from above."""
    radius: float
    """As a share of the image's side."""
    turn: float
    """Tangent of half the angle by which the shape is turned."""
    shift: tuple[int, int]
    """Where the texture begins, in eighths of its period."""
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    """A scene whose objects have places."""

    scene: Scene
    placed: tuple[Placed, ...]
    """Objects from the bottom to the top: an outer object comes before the one inside."""
    ground: tuple[int, int, int]
    """Colour of the background."""


def draw_scene(dice: Dice) -> Scene:
    """Return a scene of 1 to 4 objects, each number as likely."""
    sizes: tuple[int, ...] = dice.pick(((1,), (2,), dice.pick(((1, 2), (2, 1))), (2, 2)))
    while True:
        # Two groups lie above each other if their objects lie beside each other, so that one axis serves a scene.
        axis: Relation = dice.pick(("left", "above"))
        scene = Scene(tuple(_draw_group(dice, size, axis) for size in sizes))
        if is_drawable(scene):
            return scene


def draw_single(dice: Dice, combination: tuple[str, str]) -> Scene:
    """Return a scene of one object of a given colour and shape."""
    return Scene((Group((Thing(dice.pick(SIZES), dice.pick(TEXTURES), *combination),)),))


def arrange(dice: Dice, scene: Scene) -> Layout:
    """Return the scene with a place for every object, so that its relations are true and nothing else overlaps."""
    ground = 24 + dice.below(64)
    placed: list[Placed] = []
    for group, box in zip(scene.groups, _boxes(dice, scene), strict=True):
        placed += _place(dice, group, box)
    return Layout(scene, tuple(placed), _tinted(dice, (ground, ground, ground)))


def _draw_group(dice: Dice, size: int, axis: Relation) -> Group:
    if size == 1:
        return Group((_draw_thing(dice),))
    relation = dice.pick((axis, axis, "inside"))  # each of three relations as likely, over both axes
    if relation != "inside":
        return Group((_draw_thing(dice), _draw_thing(dice)), relation)
    inner = Thing("small", dice.pick(TEXTURES), *dice.pick(SEEN_COMBINATIONS))
    outer = Thing("large", dice.pick(TEXTURES), *dice.pick(_CONTAINING))
    return Group((inner, outer), relation)


def _draw_thing(dice: Dice) -> Thing:
    return Thing(dice.pick(SIZES), dice.pick(TEXTURES), *dice.pick(SEEN_COMBINATIONS))


def _boxes(dice: Dice, scene: Scene) -> Sequence[Box]:
    """Return the part of the image of each group: all of it, or rows or columns."""
    if len(scene.groups) == 1:
        return ((0.0, 0.0, 1.0, 1.0),)
    axes = [group.relation for group in scene.groups if group.relation in ("left", "above")]
    if (axes[0] if axes else dice.pick(("left", "above"))) == "left":
        return (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)
    return (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


def _place(dice: Dice, group: Group, box: Box) -> list[Placed]:
    left, top, right, bottom = box
    if group.relation is None:
        return [_placed(dice, group.things[0], (left, right), (top, bottom))]
    first, second = group.things
    if group.relation == "inside":
        outer = _placed(dice, second, (left, right), (top, bottom))
        inner = _placed(dice, first, (outer.x, outer.x), (outer.y, outer.y), outer.radius * _INNER)
        return [outer, inner]
    if group.relation == "left":
        middle, height = (left + right) / 2, dice.between(top + _QUARTER, bottom - _QUARTER)
        parts: tuple[tuple[Range, Range], ...] = ((left, middle), (height,)), ((middle, right), (height,))
    else:
        middle, width = (top + bottom) / 2, dice.between(left + _QUARTER, right - _QUARTER)
        parts = ((width,), (top, middle)), ((width,), (middle, bottom))
    return [_placed(dice, thing, *part) for thing, part in zip(group.things, parts, strict=True)]


def _placed(dice: Dice, thing: Thing, across: Range, down: Range, radius: float | None = None) -> Placed:
    """Place an object within a range of each axis, or about one value of an axis."""
    radius = dice.between(*RADII[thing.size]) if radius is None else radius
    return Placed(
        thing,
        _centre(dice, across, radius),
        _centre(dice, down, radius),
        radius,
        (dice.below(2 * _TURNS + 1) - _TURNS) / 128,
        (dice.below(8), dice.below(8)),
        _tinted(dice, COLOURS[thing.colour]),
    )


def _centre(dice: Dice, within: Range, radius: float) -> float:
    margin = radius * _REACH
    if len(within) == 2:
        return dice.between(within[0] + margin, within[1] - margin)
    slack = min(_QUARTER - margin, _SPREAD)
    return dice.between(within[0] - slack, within[0] + slack)


def _tinted(dice: Dice, colour: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (value + dice.below(2 * _TINT + 1) - _TINT for value in colour)
    return red, green, blue
