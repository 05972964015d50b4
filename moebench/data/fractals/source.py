"""fractals-N as a data set: so many images of each class, rendered once and kept."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moebench.data.cache import Writer, is_kept, kept
from moebench.data.dataset import Dataset, Format
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment

COUNTS = {"train": 200, "test": 20}
"""Images of each class."""
CLASSES = (10, 10_000)
SIZES = (32, 224)
OWN_SIZE = 64
RENDERING = 1
"""Raised with every change that changes an image, so that nobody takes the old ones for the new."""
_CHUNK_PIXELS = 64 * OWN_SIZE**2
"""Of the images that are rendered at a time: a processor's cache holds their points."""


_Part = tuple[np.ndarray, np.ndarray]


class Fractals:
    """Fractals of iterated function systems after FractalDB (2101.08515), N classes from 10 to 10,000, drawn here."""

    augment: Augment = "none"

    def __init__(self, classes: int) -> None:
        """So many classes.

        Raises:
            BadInput: too few or too many.
        """
        if not CLASSES[0] <= classes <= CLASSES[1]:
            raise BadInput(
                f"fractals-N has from {CLASSES[0]} to {CLASSES[1]:,} classes, and {classes:,} were asked for.",
                key="data",
            )
        self.classes = classes

    @classmethod
    def named(cls, name: str) -> "Fractals | None":
        """The data set of a name such as fractals-100 or fractals-10k; None where it is another's name."""
        match = re.fullmatch(r"fractals-(\d{1,9})(k?)", name)
        return cls(int(match[1]) * (1000 if match[2] else 1)) if match else None

    @property
    def name(self) -> str:
        """With a k for whole thousands."""
        thousands, rest = divmod(self.classes, 1000)
        return f"fractals-{self.classes}" if rest else f"fractals-{thousands}k"

    def describe(self) -> str:
        """In one line."""
        train, test = (self.classes * count for count in COUNTS.values())
        return (
            f"Fractals drawn by formula (2101.08515), {OWN_SIZE} × {OWN_SIZE} pixels (image_size: {SIZES[0]} to "
            f"{SIZES[1]}), {self.classes:,} classes, {train:,} images for training and {test:,} for testing."
        )

    def format(self, image_size: int | None) -> Format:
        """Grey images, of 64 pixels unless another size is asked for.

        Raises:
            BadInput: a size that is not rendered.
        """
        size = OWN_SIZE if image_size is None else image_size
        if not SIZES[0] <= size <= SIZES[1]:
            raise BadInput(
                f"{self.name} is rendered at {SIZES[0]} to {SIZES[1]} pixels, and image_size={size} was asked for.",
                key="image_size",
            )
        return Format(size, 1, self.classes)

    def identity(self) -> str:
        """Code decides what is in it."""
        return ""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """From the cache, or rendered now."""
        kind = self.format(image_size)

        def make(folder: Path) -> None:
            say(f"rendering {self.name} at {kind.image_size} pixels, once for this machine")
            counts = {split: count * self.classes for split, count in COUNTS.items()}
            with Writer(folder, counts, kind, say) as writer:
                for split, images, labels in _rendered(kind):
                    writer.add(split, images, labels)
                writer.finish()

        return kept(self.name, self._key(kind), make, say)

    def is_ready(self, image_size: int | None) -> bool:
        """Whether they have been rendered."""
        return is_kept(self._key(self.format(image_size)))

    def _key(self, kind: Format) -> str:
        return f"{self.name}-{kind.image_size}px-v{RENDERING}"


def _rendered(kind: Format) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Images and labels of both splits, class by class, in parts."""
    from moebench.data.fractals import classes as systems
    from moebench.data.fractals import images as instances  # whoever only asks what there is need not wait for jax

    classes = systems.draw(kind.classes)
    part = max(1, _CHUNK_PIXELS // kind.image_size**2)
    before = 0
    for split, count in COUNTS.items():
        total = kind.classes * count

        def render(start: int, count: int = count, before: int = before, total: int = total) -> _Part:
            # Every part has the same shape, so that the program is compiled once; the last is cut off at the end.
            images = np.arange(start, start + part) % total
            labels, numbers = images // count, before + images % count
            real = slice(total - start)
            return instances.render(classes, labels, numbers, kind.image_size)[real], labels[real]

        for images, labels in mapped(render, range(0, total, part)):
            yield split, images, labels
        before += count
