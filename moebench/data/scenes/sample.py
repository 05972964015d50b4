"""Draw scenes at random: objects, relations, places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
RADII = {"small": (0.145, 0.155), "large": (0.215, 0.225)}
"""Least and largest radius of each size, as shares of the image's side."""
_INNER = 0.54
"""Radius of an object inside another one, as a share of the outer radius."""
_SHIFT = 1 / 64
"""Largest distance of an object from the centre of its quarter, as a share of the image's side.

With objects at free places a small ViT (2 blocks of width 64, patches of 8 pixels) learns colours and hardly a shape:
19 % of single objects right after 1,000 steps, against 98 % near the centres.
"""
_PHASES = 8
_COUNTS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4)
"""Numbers of objects, drawn with equal probability: images of few objects, whose labels are rarely ambiguous, teach
fastest.
"""
_TINT = 10
"""Largest change of each channel of a colour."""
_CONTAINING = tuple(each for each in SEEN_COMBINATIONS if each[1] in CONTAINERS)


class Dice:
    """Random choices from a generator, whose numbers are drawn in large blocks."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._numbers = self._draw(generator)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, with equal probability."""
        return options[next(self._numbers) % len(options)]

    def between(self, low: float, high: float) -> float:
        """Return a number of the interval, uniformly distributed."""
        return low + (high - low) * (next(self._numbers) / 2**32)

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
    """Radius as a share of the image's side."""
    shift: tuple[int, int]
    """Start of the texture, in eighths of its period."""
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
    """Return a scene of 1 to 4 objects.

    On average, four in ten scenes have one object, three have two, two have three, and one has four.
    """
    count = dice.pick(_COUNTS)
    sizes = {1: (1,), 2: (2,), 3: dice.pick(((1, 2), (2, 1))), 4: (2, 2)}[count]
    while True:
        # Two groups are one above the other if their objects are side by side, so that a scene uses each axis once.
        axis: Relation = dice.pick(("left", "above"))
        scene = Scene(tuple(_draw_group(dice, size, axis) for size in sizes))
        if is_drawable(scene):
            return scene


def draw_single(dice: Dice, combination: tuple[str, str]) -> Scene:
    """Return a scene of one object of a given colour and shape."""
    return Scene((Group((Thing(dice.pick(SIZES), dice.pick(TEXTURES), *combination),)),))


def arrange(dice: Dice, scene: Scene) -> Layout:
    """Return the scene with every object near the centre of a quarter of the image.

    The quarters are chosen so that the scene's relations are true.
    """
    ground = 24 + dice.below(64)
    placed: list[Placed] = []
    for group, cells in zip(scene.groups, _cells(dice, scene), strict=True):
        placed += _place(dice, group, cells)
    return Layout(scene, tuple(placed), _tinted(dice, (ground, ground, ground)))


def _draw_group(dice: Dice, size: int, axis: Relation) -> Group:
    if size == 1:
        return Group((_draw_thing(dice),))
    relation = dice.pick((axis, axis, "inside"))  # each of three relations is equally likely, over both axes
    if relation != "inside":
        return Group((_draw_thing(dice), _draw_thing(dice)), relation)
    inner = Thing("small", dice.pick(TEXTURES), *dice.pick(SEEN_COMBINATIONS))
    outer = Thing("large", dice.pick(TEXTURES), *dice.pick(_CONTAINING))
    return Group((inner, outer), relation)


def _draw_thing(dice: Dice) -> Thing:
    return Thing(dice.pick(SIZES), dice.pick(TEXTURES), *dice.pick(SEEN_COMBINATIONS))


def _cells(dice: Dice, scene: Scene) -> list[list[tuple[int, int]]]:
    """Return the column and row of the quarters that each group takes.

    Each object of a group has one quarter of the image. One group takes any row or column; two groups take both rows if
    objects are side by side, else both columns.
    """
    axes = [group.relation for group in scene.groups if group.relation in ("left", "above")]
    axis = axes[0] if axes else dice.pick(("left", "above"))
    lines = (0, 1) if len(scene.groups) == 2 else (dice.below(2),)
    found = []
    for group, line in zip(scene.groups, lines, strict=True):
        along = (0, 1) if group.relation == axis else (dice.below(2),)
        found.append([(each, line) if axis == "left" else (line, each) for each in along])
    return found


def _place(dice: Dice, group: Group, cells: Sequence[tuple[int, int]]) -> list[Placed]:
    if group.relation != "inside":
        return [_placed(dice, thing, cell) for thing, cell in zip(group.things, cells, strict=True)]
    inner, outer = group.things
    around = _placed(dice, outer, cells[0])
    within = replace(_placed(dice, inner, cells[0]), x=around.x, y=around.y, radius=around.radius * _INNER)
    return [around, within]


def _placed(dice: Dice, thing: Thing, cell: tuple[int, int]) -> Placed:
    x, y = (each / 2 + dice.between(0.25 - _SHIFT, 0.25 + _SHIFT) for each in cell)
    shift = dice.below(_PHASES), dice.below(_PHASES)
    return Placed(thing, x, y, dice.between(*RADII[thing.size]), shift, _tinted(dice, COLOURS[thing.colour]))


def _tinted(dice: Dice, colour: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = (value + dice.below(2 * _TINT + 1) - _TINT for value in colour)
    return red, green, blue
