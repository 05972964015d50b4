"""Where images come from: a name, or a place of the user's own, that can be asked what it holds before it is read."""

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
"""Takes a line for whoever waits."""
LARGEST = 224
"""Side in pixels up to which a small data set is enlarged."""


@runtime_checkable
class Source(Protocol):
    """One data set that can be had."""

    @property
    def name(self) -> str:
        """Its name, the same however it was written."""

    @property
    def augment(self) -> Augment:
        """How its training images are changed at random unless the cell says otherwise."""

    def describe(self) -> str:
        """In one line."""

    def format(self, image_size: int | None) -> Format:
        """What a model has to know, told without making or reading the images.

        Args:
            image_size: the side asked for in pixels; None takes the data set's own.

        Raises:
            BadInput: images of that size cannot be had.
        """

    def identity(self) -> str:
        """Tells these images from others under the same name; empty where moebench's own code decides them."""

    def is_ready(self, image_size: int | None) -> bool:
        """Whether loading takes no time worth mentioning."""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """The images.

        Raises:
            BadInput: they cannot be had.
        """


@dataclass(frozen=True)
class Loader:
    """A small data set that a function makes in memory; its images can be had enlarged."""

    name: str
    make: Callable[[], Dataset]
    augment: Augment = "none"

    @property
    def __name__(self) -> str:
        """Return the name under which fvcore's registry files the data set."""
        return self.name

    def describe(self) -> str:
        """As its maker says it."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    def format(self, image_size: int | None) -> Format:
        """Its own, or that of its images enlarged.

        Raises:
            BadInput: a smaller size was asked for, or one for which so many images do not belong in memory.
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
        """Nothing but code and libraries decides what is in it."""
        return ""

    def is_ready(self, image_size: int | None) -> bool:
        """It is small."""
        return True

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Read once in a process."""
        found, size = self._dataset, self.format(image_size).image_size
        if size == found.image_size:
            return found
        return replace(found, train=_enlarged(found.train, size), test=_enlarged(found.test, size))

    @cached_property
    def _dataset(self) -> Dataset:
        return self.make()


def _enlarged(split: Split, size: int) -> Split:
    """The images at so many pixels a side, with straight lines between the pixels that there are."""
    from PIL import Image  # whoever takes images as they are need not wait for it

    def planes(image: np.ndarray) -> list[np.ndarray]:
        channels = np.moveaxis(image, -1, 0)
        return [np.asarray(Image.fromarray(each).resize((size, size), Image.Resampling.BILINEAR)) for each in channels]

    return Split(np.stack([np.stack(planes(image), axis=-1) for image in split.images[:]]), split.labels)
