"""Objects and scenes: attributes, relations, and the held-out combinations of colour and shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Literal

import numpy as np

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (244, 140, 6),
    "yellow": (244, 226, 40),
    "green": (40, 170, 60),
    "cyan": (50, 212, 222),
    "blue": (48, 84, 226),
    "purple": (158, 62, 206),
    "white": (244, 244, 244),
}
SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross", "ring", "heart")
TEXTURES = ("plain", "striped", "dotted")
SIZES = ("small", "large")
CONTAINERS = ("circle", "square", "ring")
"""Shapes around whose centre a small object fits; the outer object of "inside" has one of these."""
Relation = Literal["left", "above", "inside"]
RELATIONS: tuple[Relation, ...] = ("left", "above", "inside")
COMBINATIONS: tuple[tuple[str, str], ...] = tuple(product(COLOURS, SHAPES))
"""Colour and shape of each combination, in the order of their numbers."""
_HELD_OUT = 13
"""A fifth of the 64 combinations."""
_SPLIT_SEED = 80_20


def _seen() -> tuple[bool, ...]:
    """Return which combinations are seen.

    Each colour lacks one or two of its eight shapes, and each shape one or two of its eight colours.
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    colours, shapes = generator.permutation(len(COLOURS)), generator.permutation(len(SHAPES))
    places = [(colours[number % 8], shapes[(number + number // 8) % 8]) for number in range(_HELD_OUT)]
    held = {(int(colour), int(shape)) for colour, shape in places}
    return tuple(place not in held for place in product(range(len(COLOURS)), range(len(SHAPES))))


SEEN = _seen()
"""Whether each combination occurs in training images and captions, and in the test scenes; equal for every N."""
SEEN_COMBINATIONS = tuple(each for each, seen in zip(COMBINATIONS, SEEN, strict=True) if seen)
SEEN_OF_COLOUR = {colour: tuple(shape for each, shape in SEEN_COMBINATIONS if each == colour) for colour in COLOURS}


@dataclass(frozen=True, order=True)
class Thing:
    """One object."""

    size: str
    texture: str
    colour: str
    shape: str

    @property
    def combination(self) -> tuple[str, str]:
        """Colour and shape."""
        return self.colour, self.shape


@dataclass(frozen=True, order=True)
class Group:
    """One object, or two in a relation."""

    things: tuple[Thing, ...]
    relation: Relation | None = None
    """`things[0]` is left of, above or inside `things[1]`; None for one object alone."""


@dataclass(frozen=True)
class Scene:
    """One or two groups, with 1 to 4 objects in all.

    The relation of the groups to each other is not described.
    """

    groups: tuple[Group, ...]

    @property
    def things(self) -> tuple[Thing, ...]:
        """All objects, group by group."""
        return tuple(thing for group in self.groups for thing in group.things)

    @property
    def combinations(self) -> frozenset[tuple[str, str]]:
        """Colours and shapes of all objects."""
        return frozenset(thing.combination for thing in self.things)


def is_drawable(scene: Scene) -> bool:
    """Return whether a scene's objects differ, are seen combinations and are visible.

    Objects differ in colour or shape, their combinations of both are seen ones, and an object inside a container shows.
    """
    things = scene.things
    within = [group.things for group in scene.groups if group.relation == "inside"]
    return (
        len(scene.combinations) == len(things)
        and all(thing.shape in SEEN_OF_COLOUR[thing.colour] for thing in things)
        and all(inner.colour != outer.colour and outer.shape in CONTAINERS for inner, outer in within)
    )


def with_colours_exchanged(scene: Scene) -> list[Scene]:
    """Return every scene that differs in the colours of two objects of unlike shape, exchanged.

    Only scenes that could be drawn themselves are returned, so that neither a combination that is held out nor an odd
    scene gives the false caption away.
    """
    found = []
    for one, other in combinations(scene.things, 2):
        if one.colour == other.colour or one.shape == other.shape:
            continue
        changed = {one: replace(one, colour=other.colour), other: replace(other, colour=one.colour)}
        swapped = Scene(tuple(replace(group, things=_changed(group.things, changed)) for group in scene.groups))
        if is_drawable(swapped):
            found.append(swapped)
    return found


def _changed(things: Sequence[Thing], changed: dict[Thing, Thing]) -> tuple[Thing, ...]:
    return tuple(changed.get(thing, thing) for thing in things)
