"""The user's own images as a data set: decoded once, and kept for all processes."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from moebench.data.cache import SPLITS, Writer, is_kept, kept
from moebench.data.dataset import Dataset, Format
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.data.user.decode import Look, decode, look
from moebench.data.user.detect import collection
from moebench.data.user.reader import Collection, Listing, Raw
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment, absolute_place

DECODING = 2
"""Raised with every change of how images are decoded, so that nobody takes the old ones for the new."""
_LOOKED_AT = 16
"""Images whose sizes and colours stand for all."""
_PART = 64
"""Images that are decoded at a time."""


class Own:
    """Images of a folder, a file, or the Hugging Face hub."""

    augment: Augment = "crop-flip"

    def __init__(self, place: str) -> None:
        """A path, or hf: and a name; what is wrong with it is said when it is asked for."""
        self.name = absolute_place(place)

    @cached_property
    def _collection(self) -> Collection:
        return collection(self.name)

    @cached_property
    def _listing(self) -> Listing:
        return self._collection.listing()

    def describe(self) -> str:
        """In one line."""
        listing = self._listing
        test = int(listing.test.sum())
        return (
            f"Images of your own, {len(listing.classes):,} classes, {len(listing.labels) - test:,} images for training "
            f"and {test:,} for testing."
        )

    def format(self, image_size: int | None) -> Format:
        """Grey if a look at some images shows no colour; of their own size if they are squares of one size.

        Raises:
            BadInput: they are not, and no size was asked for.
        """
        classes = len(self._listing.classes)
        looks = self._looks
        channels = max(each.channels for each in looks)
        if image_size is not None:
            return Format(image_size, channels, classes)
        shapes = sorted({(each.width, each.height) for each in looks})
        if len(shapes) > 1 or shapes[0][0] != shapes[0][1]:
            shown = " and ".join(f"{width} × {height}" for width, height in (shapes[0], shapes[-1])[: len(shapes)])
            raise BadInput(
                f"the images of {self.name} are not squares of one size ({shown}): give image_size, such as 64.",
                key="image_size",
            )
        return Format(shapes[0][0], channels, classes)

    def identity(self) -> str:
        """Of the files."""
        return self._listing.identity

    def is_ready(self, image_size: int | None) -> bool:
        """Whether they have been decoded."""
        return is_kept(self._key(self.format(image_size)))

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """From the cache, or decoded now.

        Raises:
            BadInput: an image is broken.
        """
        kind, listing = self.format(image_size), self._listing

        def make(folder: Path) -> None:
            say(f"decoding {self.name} to {kind.image_size} pixels, once for this machine")
            tested = int(listing.test.sum())
            counts = {"train": len(listing.labels) - tested, "test": tested}
            with Writer(folder, counts, kind, say) as writer:
                start = 0
                for images in mapped(lambda part: _decoded(part, kind), self._parts()):
                    labels, test = (each[start : start + len(images)] for each in (listing.labels, listing.test))
                    for split, chosen in zip(SPLITS, (~test, test), strict=True):
                        writer.add(split, images[chosen], labels[chosen])
                    start += len(images)
                writer.finish()

        return kept(self.name, self._key(kind), make, say)

    def _parts(self) -> Iterator[list[Raw]]:
        raw = self._collection.raw()
        while part := list(islice(raw, _PART)):
            yield part

    @cached_property
    def _looks(self) -> list[Look]:
        return [look(raw) for raw in self._collection.some(_LOOKED_AT)]

    def _key(self, kind: Format) -> str:
        return f"own-{self.identity()}-{kind.image_size}px-{kind.channels}-v{DECODING}"


def _decoded(part: list[Raw], kind: Format) -> np.ndarray:
    return np.stack([decode(raw, kind.image_size, kind.channels) for raw in part])
