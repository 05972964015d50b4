"""Data sets: splits of square images with labels, in memory or on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Int32, UInt8


@dataclass(frozen=True)
class Pixels:
    """Images as bytes, scaled to mean 0 and standard deviation 1 when read.

    The bytes are often a file mapped into memory. Indexing a `Pixels` like an array of images returns scaled images.
    """

    stored: UInt8[np.ndarray, "stored height width channel"]
    mean: tuple[float, ...]
    """Mean byte of each channel, over the training split."""
    std: tuple[float, ...]
    """Standard deviation of each channel's bytes, over the training split."""
    rows: Int[np.ndarray, "image"] | None = None
    """Rows of `stored` that are the images; None: all rows."""
    hidden: int = 0
    """Number of last channels of `stored` that are no part of the images.

    The number is 1 if the truth about each pixel's patch is stored beside its colour.
    """

    def __len__(self) -> int:
        return len(self.stored if self.rows is None else self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, height, width, channels."""
        return (len(self), *self.stored.shape[1:3], self.stored.shape[3] - self.hidden)

    def __getitem__(self, chosen: Any) -> Float32[np.ndarray, "chosen height width channel"]:
        return self.scale(self.take(chosen))

    def take(self, chosen: Any) -> UInt8[np.ndarray, "chosen height width channel"]:
        """Return the bytes of the chosen images."""
        found: np.ndarray = self.stored[chosen if self.rows is None else self.rows[chosen]]
        return found[..., : found.shape[-1] - self.hidden] if self.hidden else found

    @property
    def truth(self) -> UInt8[np.ndarray, "image height width"] | None:
        """Truth about each pixel's patch; None if there is none."""
        if not self.hidden:
            return None
        found: np.ndarray = (self.stored if self.rows is None else self.stored[self.rows])[..., -1]
        return found

    def with_truth(self) -> "Pixels":
        """Return the images with the truth about each pixel's patch as a last channel.

        The bytes of the last channel are not scaled.
        """
        return replace(self, mean=(*self.mean[:-1], 0.0), std=(*self.std[:-1], 1.0), hidden=0)

    def scale(
        self, images: UInt8[np.ndarray, "chosen height width channel"]
    ) -> Float32[np.ndarray, "chosen height width channel"]:
        """Scale bytes to the numbers that a model receives."""
        factor, shift = self._scaling
        scaled = images.astype(np.float32)
        scaled *= factor
        scaled += shift
        return scaled

    @cached_property
    def _scaling(self) -> tuple[Float32[np.ndarray, "channel"], Float32[np.ndarray, "channel"]]:
        shown = slice(len(self.std) - self.hidden)
        std = np.array([max(value, 1.0) for value in self.std[shown]])  # images of one colour have a deviation of 0
        return (1 / std).astype(np.float32), (-np.array(self.mean[shown]) / std).astype(np.float32)


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Pixel values have a mean near 0 and a standard deviation near 1.
    """

    images: Float32[np.ndarray, "image height width channel"] | Pixels
    labels: Int32[np.ndarray, "image"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def truth(self) -> UInt8[np.ndarray, "image height width"] | None:
        """Number of the right expert of each pixel's patch, or 255; None without truth."""
        return self.images.truth if isinstance(self.images, Pixels) else None

    def targets(self, chosen: Int[np.ndarray, "chosen"], seed: Sequence[int]) -> Int32[np.ndarray, "chosen ..."]:
        """Return the training targets of the chosen images: their labels.

        Args:
            chosen: numbers of the images.
            seed: seed of a random choice, if an image has several targets.
        """
        found: np.ndarray = self.labels[chosen]
        return found

    def with_truth(self) -> "Split":
        """Return the images with the truth as a last channel.

        A model needs this channel if its router needs the truth.
        """
        assert isinstance(self.images, Pixels)
        return replace(self, images=self.images.with_truth())

    def subset(self, rows: Int[np.ndarray, "chosen"]) -> "Split":
        """Return the images of these rows; images on disk stay there."""
        if isinstance(self.images, Pixels):
            within = rows if self.images.rows is None else self.images.rows[rows]
            return Split(replace(self.images, rows=within), self.labels[rows])
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Format:
    """The properties of a data set's images that determine the shape of a model."""

    image_size: int
    """Side of the square images in pixels."""
    channels: int
    """1 for grey images, 3 for colour."""
    classes: int
    """Number of classes."""
    truth: bool = False
    """Whether the right routing of each patch is known, as for the diagnostic tasks."""


@dataclass(frozen=True)
class Dataset:
    """A training split and a test split; no training ever uses the test split."""

    name: str
    classes: int
    """Number of classes."""
    train: Split
    test: Split
    validation: Split | None = None
    """Images to choose hyperparameters on, if the source declares such a split or one was held out."""
    class_names: Sequence[str] = ()
    """Name of each class; empty if classes only have numbers."""
    notes: tuple[str, ...] = ()
    """Sentences that a user should read: what was left out, and how images were decoded."""

    @property
    def format(self) -> Format:
        """Size, channels and classes of all splits."""
        return Format(self.image_size, self.channels, self.classes, truth=self.test.truth is not None)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.train.images.shape[3])

    def class_name(self, label: int) -> str:
        """Return the name of a class, or its number if it has no name."""
        return self.class_names[label] if self.class_names else str(label)
