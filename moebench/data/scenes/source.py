"""The data set scenes-N for classification, and the descriptions of its images for captions.

The N training images show 1 to 4 objects of the 51 seen combinations of colour and shape. The label of a training image
is the combination of one of its objects, drawn at random, as a photo of several things has one label among several
right ones; a model that knows all objects of its images reaches a loss of E[log objects] = 0.57 nats in training. The
test images show one object each, so that every label is the only right one. Chance: 1/51.

All N share the test images and the held-out combinations, and scenes-N has the first N training images of every larger
number.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from moebench.data.dataset import Dataset, Format
from moebench.data.drawn import Drawing, Parts
from moebench.data.scenes.grammar import Wording, wordings
from moebench.data.scenes.render import PERIODS, render
from moebench.data.scenes.sample import Dice, arrange, draw_scene, draw_single
from moebench.data.scenes.scene import COMBINATIONS, SEEN, SEEN_COMBINATIONS, Scene
from moebench.data.set_files import SplitName
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment

COUNTS = (256, 1_000_000)
USUAL = 8192
"""The number of training images in listings."""
SIZES = (32, 224)
PER_COMBINATION = 20
"""Images of one object for each combination, seen or held out."""
TEST_SCENES = 1000
"""Scenes for retrieval, no two of which have the same colours and shapes."""
_PART = 256
"""Scenes drawn at a time, each part from its own seed."""
_TRAIN, _TEST, _SINGLE = range(3)


@dataclass(frozen=True)
class Shown:
    """The content of an image, and the wording of its captions."""

    scene: Scene
    combination: tuple[str, str]
    """Colour and shape of one object, drawn at random: the label for classification."""
    wordings: tuple[Wording, ...]


class Scenes:
    """Rendered scenes of 1 to 4 objects, with N training images."""

    augment: Augment = "none"

    def __init__(self, count: int) -> None:
        """Choose the number of training images.

        Raises:
            BadInput: the number is out of range.
        """
        if not COUNTS[0] <= count <= COUNTS[1]:
            nearest = min(max(count, COUNTS[0]), COUNTS[1])
            raise BadInput(
                f"scenes-N has {COUNTS[0]} to {COUNTS[1]:,} training images, and {count:,} were asked for: "
                f"scenes-{nearest} is the nearest.",
                key="data",
            )
        self.count = count

    @classmethod
    def named(cls, name: str) -> "Scenes | None":
        """Return the data set of a name such as scenes-8192 or scenes-100k.

        Any other name gives None.

        Raises:
            BadInput: the number is out of range.
        """
        match = re.fullmatch(r"scenes-(\d{1,9})(k?)", name)
        return cls(int(match[1]) * (1000 if match[2] else 1)) if match else None

    @property
    def name(self) -> str:
        """Canonical name, with a k for whole thousands."""
        thousands, rest = divmod(self.count, 1000)
        return f"scenes-{self.count}" if rest else f"scenes-{thousands}k"

    def describe(self) -> str:
        """Describe the data set in one line."""
        return (
            f"Rendered scenes of 1 to 4 objects with captions, {SIZES[0]} × {SIZES[0]} pixels (image_size: multiples "
            f"of {PERIODS} up to {SIZES[1]}), {len(SEEN_COMBINATIONS)} classes of colour and shape, {self.count:,} "
            f"images for training and {len(SEEN_COMBINATIONS) * PER_COMBINATION:,} of one object for testing."
        )

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images: colour, of 32 pixels by default.

        Raises:
            BadInput: the size is not rendered.
        """
        size = SIZES[0] if image_size is None else image_size
        if size % PERIODS or not SIZES[0] <= size <= SIZES[1]:
            nearest = min(max(round(size / PERIODS) * PERIODS, SIZES[0]), SIZES[1])
            raise BadInput(
                f"{self.name} is rendered at multiples of {PERIODS} pixels from {SIZES[0]} to {SIZES[1]}, and "
                f"image_size={size} was asked for: {nearest} is the nearest.",
                key="image_size",
            )
        return Format(size, 3, len(SEEN_COMBINATIONS))

    def identity(self) -> str:
        """Return "": code alone decides the content."""
        return ""

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are rendered already."""
        return self._drawing(image_size).is_ready()

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images for classification: scenes for training, single objects of seen combinations for testing."""
        found = self.rendered(image_size, say)
        number = np.cumsum(SEEN) - 1  # of a seen combination
        train, test = (
            replace(split, labels=number[split.labels].astype(np.int32))
            for split in (found.train, found.test.subset(np.flatnonzero(np.array(SEEN)[found.test.labels])))
        )
        names = tuple(" ".join(each) for each in SEEN_COMBINATIONS)
        return replace(found, classes=len(names), class_names=names, train=train, test=test, validation=None)

    def rendered(self, image_size: int | None, say: Say) -> Dataset:
        """Load all images, with the number of a combination in `COMBINATIONS` as label.

        Training images come first; the test split has the single objects of all combinations, and the scenes for
        retrieval are in the place of a validation split.
        """
        return self._drawing(image_size).load(say)

    def _drawing(self, image_size: int | None) -> Drawing:
        kind = replace(self.format(image_size), classes=len(COMBINATIONS))
        counts: dict[SplitName, int] = {
            "train": self.count,
            "test": len(COMBINATIONS) * PER_COMBINATION,
            "validation": TEST_SCENES,
        }

        def parts() -> Parts:
            shown: dict[SplitName, tuple[Sequence[Shown], int]] = {
                "train": (train_scenes(self.count), _TRAIN),
                "test": (singles(), _SINGLE),
                "validation": (retrieval_scenes(), _TEST),
            }
            for split, (scenes, seed) in shown.items():
                for images, labels in _drawn(scenes, kind.image_size, seed):
                    yield split, images, labels

        return Drawing(self.name, kind, counts, __package__, parts)


def train_scenes(count: int) -> list[Shown]:
    """Return the contents of the first `count` training images."""
    found: list[Shown] = []
    while len(found) < count:
        dice = Dice(np.random.default_rng((_TRAIN, len(found))))
        found += [_shown(dice, draw_scene(dice)) for _ in range(_PART)]
    return found[:count]


@cache
def retrieval_scenes() -> tuple[Shown, ...]:
    """Return the contents of the scenes for retrieval.

    No two of the scenes have objects of equal colours and shapes.
    """
    dice, found = Dice(np.random.default_rng(_TEST)), dict[frozenset[tuple[str, str]], Shown]()
    while len(found) < TEST_SCENES:
        scene = draw_scene(dice)
        if scene.combinations not in found:
            found[scene.combinations] = _shown(dice, scene)
    return tuple(found.values())


@cache
def singles() -> tuple[Shown, ...]:
    """Return the contents of the images of one object, combination by combination."""
    dice = Dice(np.random.default_rng(_SINGLE))
    scenes = [draw_single(dice, each) for each in COMBINATIONS for _ in range(PER_COMBINATION)]
    return tuple(_shown(dice, scene) for scene in scenes)


def _shown(dice: Dice, scene: Scene) -> Shown:
    return Shown(scene, dice.pick(scene.things).combination, wordings(dice, scene))


def _drawn(shown: Sequence[Shown], size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and combinations of some contents, part by part."""
    number = {combination: place for place, combination in enumerate(COMBINATIONS)}

    def one(start: int) -> tuple[np.ndarray, np.ndarray]:
        part = shown[start : start + _PART]
        generator = np.random.default_rng((seed, start, size))
        dice = Dice(generator)
        layouts = [arrange(dice, each.scene) for each in part]
        return render(layouts, size, generator), np.array([number[each.combination] for each in part])

    return mapped(one, range(0, len(shown), _PART))
