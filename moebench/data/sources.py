"""Where images come from: a name, or a place of the user's own, that can be asked what it holds before it is read."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from moebench.data.dataset import Dataset, Format
from moebench.errors import BadInput
from moebench.specification import Augment

Say = Callable[[str], None]
"""Takes a line for whoever waits."""


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
    """A small data set of one size that a function makes in memory."""

    name: str
    make: Callable[[], Dataset]
    augment: Augment = "none"

    def describe(self) -> str:
        """As its maker says it."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    def format(self, image_size: int | None) -> Format:
        """The one there is.

        Raises:
            BadInput: another size was asked for.
        """
        found = self._dataset.format
        if image_size not in (None, found.image_size):
            raise BadInput(
                f"{self.name} has images of {found.image_size} × {found.image_size} pixels and of no other size: leave "
                f"image_size={image_size} out.",
                key="image_size",
            )
        return found

    def identity(self) -> str:
        """Nothing but code and libraries decides what is in it."""
        return ""

    def is_ready(self, image_size: int | None) -> bool:
        """It is small."""
        return True

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Read once in a process."""
        self.format(image_size)
        return self._dataset

    @cached_property
    def _dataset(self) -> Dataset:
        return self.make()
