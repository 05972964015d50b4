"""The interface of readers of the user's images: parts with labels and images.

The parts make up a collection.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from moebench.data.regular_files import read_regular, shown, why
from moebench.errors import BadInput

MOST_IMAGE_BYTES = 256 << 20
"""Largest file of one image."""
MOST_IMAGES = 1 << 24
"""Largest number of images of a split."""
Numbers = Literal["", "named", "bare"]


@dataclass(frozen=True)
class Raw:
    """One stored image."""

    name: str
    """Name of the image in messages."""
    source: Path | bytes | np.ndarray
    """A file, a file's content, or pixels: uint8[height, width] or uint8[height, width, channel]."""

    def content(self) -> bytes | np.ndarray:
        """Return the content of the file, or the pixels.

        Raises:
            BadInput: the file cannot be read, is no regular file, or is larger than `MOST_IMAGE_BYTES`.
        """
        if not isinstance(self.source, Path):
            return self.source
        try:
            return read_regular(self.source, MOST_IMAGE_BYTES)
        except OSError as error:
            raise BadInput(f"cannot read the image {shown(self.source)}: {why(error)}.", key="data") from error


@dataclass(frozen=True)
class Part:
    """One stored split of a collection, or a collection without splits."""

    where: str
    """Name of the part in messages."""
    labels: Sequence[str | None] = ()
    """Name of the class of each image; None for an image without a label."""
    raw: Callable[[], Iterator[Raw]] = field(default=lambda: iter(()), repr=False)
    """Yields all images, in the order of the labels."""
    unlabelled: str = ""
    """Reason why the part has no labels at all, which completes "no labels: …"; empty if it has labels."""
    numbers: Numbers = ""
    """Whether labels are numbers with names ("named") or without ("bare"); empty if labels are texts."""


@dataclass(frozen=True)
class Uniform:
    """The shape of all images of a collection, known without reading the images."""

    height: int
    width: int
    channels: int


@runtime_checkable
class Collection(Protocol):
    """A place with images."""

    where: str
    """Name of the place in messages."""

    def parts(self) -> Mapping[str, Part]:
        """Return the splits by their names as stored.

        A collection without splits is one part with the name "".

        Raises:
            BadInput: the place cannot be read, or contains no images with labels.
        """

    def stamp(self) -> str:
        """Return a text that changes if a file changes.

        The text is quick to compute from sizes and times, without the content.
        """

    def notes(self) -> Sequence[str]:
        """Return sentences on what is left out. Complete after `parts`."""

    def uniform(self) -> Uniform | None:
        """Return the one shape that the format fixes for all images, or None."""

    def content(self) -> Iterable[bytes]:
        """Yield the content of a collection of uniform shape, for its digest."""
