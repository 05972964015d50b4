"""The data set fractals-N: equally many images of each class, rendered once and cached."""

from functools import partial

import numpy as np

from moebench.data.dataset import Dataset, Format
from moebench.data.drawn import Drawing, Parts
from moebench.data.set_files import SplitName
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment
from moebench.spec.tasks import fractal_classes

COUNTS: dict[SplitName, int] = {"train": 200, "test": 20}
"""Images of each class in each split."""
CLASSES = (10, 10_000)
SIZES = (32, 224)
OWN_SIZE = 64
_CHUNK_PIXELS = 64 * OWN_SIZE**2
"""Pixels rendered at a time, few enough that the points of their images fit into a processor's cache."""


_Part = tuple[np.ndarray, np.ndarray]


class Fractals:
    """Fractals of iterated function systems after FractalDB (2101.08515), with 10 to 10,000 classes."""

    augment: Augment = "none"

    def __init__(self, classes: int) -> None:
        """Choose the number of classes.

        Raises:
            BadInput: there are too few or too many classes.
        """
        if not CLASSES[0] <= classes <= CLASSES[1]:
            raise BadInput(
                f"fractals-N has from {CLASSES[0]} to {CLASSES[1]:,} classes, and {classes:,} were asked for.",
                key="data",
            )
        self.classes = classes

    @classmethod
    def named(cls, name: str) -> "Fractals | None":
        """Return the data set of a name such as fractals-100 or fractals-10k.

        Any other name gives None.
        """
        classes = fractal_classes(name)
        return None if classes is None else cls(classes)

    @property
    def name(self) -> str:
        """Canonical name, with a k for whole thousands."""
        thousands, rest = divmod(self.classes, 1000)
        return f"fractals-{self.classes}" if rest else f"fractals-{thousands}k"

    def describe(self) -> str:
        """Describe the data set in one line."""
        train, test = (self.classes * count for count in COUNTS.values())
        return (
            f"Fractals drawn by formula (2101.08515), {OWN_SIZE} × {OWN_SIZE} pixels (image_size: {SIZES[0]} to "
            f"{SIZES[1]}), {self.classes:,} classes, {train:,} images for training and {test:,} for testing."
        )

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images: grey, of 64 pixels by default.

        Raises:
            BadInput: the size is not rendered.
        """
        size = OWN_SIZE if image_size is None else image_size
        if not SIZES[0] <= size <= SIZES[1]:
            raise BadInput(
                f"{self.name} is rendered at {SIZES[0]} to {SIZES[1]} pixels, and image_size={size} was asked for.",
                key="image_size",
            )
        return Format(size, 1, self.classes)

    def identity(self) -> str:
        """Return "": code alone determines the content."""
        return ""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images from the cache, or render them now."""
        return self._drawing(image_size).load(say)

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are rendered already."""
        return self._drawing(image_size).is_ready()

    def _drawing(self, image_size: int | None) -> Drawing:
        kind = self.format(image_size)
        counts = {split: count * self.classes for split, count in COUNTS.items()}
        return Drawing(self.name, kind, counts, __package__, partial(_render, kind))


def _render(kind: Format) -> Parts:
    """Yield images and labels of both splits in parts, class by class."""
    from moebench.data.fractals import classes as systems
    from moebench.data.fractals import images as instances  # imported late: describing the data set needs no jax

    classes = systems.draw(kind.classes)
    part = max(1, _CHUNK_PIXELS // kind.image_size**2)
    before = 0
    for split, count in COUNTS.items():
        total = kind.classes * count

        def render(start: int, count: int = count, before: int = before, total: int = total) -> _Part:
            # Every part has the same shape, so that the program is compiled once; the last part is cut off.
            images = np.arange(start, start + part) % total
            labels, numbers = images // count, before + images % count
            real = slice(total - start)
            return instances.render(classes, labels, numbers, kind.image_size)[real], labels[real]

        for images, labels in mapped(render, range(0, total, part)):
            yield split, images, labels
        before += count
