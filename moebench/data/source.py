"""Sources of images: describe and load a data set.

A data set is described before its images are made or decoded.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from moebench.data.dataset import Dataset, Format, Split
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment

Say = Callable[[str], None]
"""Receives progress and warnings, line by line."""
LARGEST = 224
"""Largest side in pixels to which the images of a small data set are enlarged."""


@runtime_checkable
class Source(Protocol):
    """One data set."""

    @property
    def name(self) -> str:
        """Canonical name of the data set."""

    @property
    def augment(self) -> Augment:
        """Random changes of training images, unless the cell sets its own."""

    def describe(self) -> str:
        """Describe the data set in one line."""

    def format(self, image_size: int | None) -> Format:
        """Return the properties that determine the shape of a model.

        No images are made or decoded.

        Args:
            image_size: side in pixels; None takes the data set's own size.

        Raises:
            BadInput: images of that size cannot be made, or no data can be read.
        """

    def identity(self) -> str:
        """Return a digest of the content, equal for copies at other paths.

        The digest is empty if moebench's code determines the content.
        """

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are made already."""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images.

        Args:
            image_size: side in pixels; None takes the data set's own size.
            say: receives progress and warnings, line by line.

        Raises:
            BadInput: the images cannot be read or cached.
        """


@dataclass(frozen=True)
class Loader:
    """A small data set that a function makes in memory, and that can be enlarged."""

    name: str
    make: Callable[[], Dataset]
    augment: Augment = "none"

    @property
    def __name__(self) -> str:
        """Name of the data set in fvcore's registry."""
        return self.name

    def describe(self) -> str:
        """Return the first line of the maker's docstring."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images, perhaps enlarged.

        Raises:
            BadInput: the size is smaller than the data set's own, or larger than `LARGEST`.
        """
        own = self._dataset.format
        size = own.image_size if image_size is None else image_size
        if not own.image_size <= size <= LARGEST:
            raise BadInput(
                f"{self.name} has images of {own.image_size} × {own.image_size} pixels, which can be enlarged to at "
                f"most {LARGEST}, and image_size={size} was asked for.",
                key="image_size",
            )
        return replace(own, image_size=size)

    def identity(self) -> str:
        """Return "": code and libraries alone determine the content."""
        return ""

    def is_ready(self, image_size: int | None) -> bool:
        """Return True: the data set is small."""
        return True

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images, once a process."""
        found, size = self._dataset, self.format(image_size).image_size
        if size == found.image_size:
            return found
        return replace(found, train=_enlarged(found.train, size), test=_enlarged(found.test, size))

    @cached_property
    def _dataset(self) -> Dataset:
        return self.make()


def _enlarged(split: Split, size: int) -> Split:
    """Enlarge images by bilinear interpolation."""
    from PIL import Image  # imported late: images at their own size do not need it

    def planes(image: np.ndarray) -> list[np.ndarray]:
        channels = np.moveaxis(image, -1, 0)
        return [np.asarray(Image.fromarray(each).resize((size, size), Image.Resampling.BILINEAR)) for each in channels]

    return Split(np.stack([np.stack(planes(image), axis=-1) for image in split.images[:]]), split.labels)
