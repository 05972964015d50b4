"""What a data set is: two splits of images, in memory or on disk, that come out ready for a model."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, UInt8


@dataclass(frozen=True)
class Pixels:
    """Images as bytes, often a file mapped into memory, that are scaled when they are taken.

    Indexed like an array of images, it gives what is chosen near mean 0 and standard deviation 1 in each channel.
    """

    stored: UInt8[np.ndarray, "image height width channel"]
    mean: tuple[float, ...]
    """Of each channel of the training split, in bytes' units."""
    std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, height, width, channels."""
        return self.stored.shape

    def __getitem__(self, chosen: Any) -> Float32[np.ndarray, "chosen height width channel"]:
        return self.scale(self.stored[chosen])

    def scale(
        self, images: UInt8[np.ndarray, "chosen height width channel"]
    ) -> Float32[np.ndarray, "chosen height width channel"]:
        """Bytes as the numbers that a model sees."""
        factor, shift = self._scaling
        scaled = images.astype(np.float32)
        scaled *= factor
        scaled += shift
        return scaled

    @cached_property
    def _scaling(self) -> tuple[Float32[np.ndarray, "channel"], Float32[np.ndarray, "channel"]]:
        std = np.array([max(value, 1.0) for value in self.std])  # images of one colour have none
        return (1 / std).astype(np.float32), (-np.array(self.mean) / std).astype(np.float32)


@dataclass(frozen=True)
class Split:
    """Images with their labels; pixel values come out near mean 0 and standard deviation 1."""

    images: Float32[np.ndarray, "image height width channel"] | Pixels
    labels: Int32[np.ndarray, "image"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Format:
    """What a model has to know of a data set's images."""

    image_size: int
    """Side of the square images in pixels."""
    channels: int
    classes: int


@dataclass(frozen=True)
class Dataset:
    """A training split, and a test split that no training sees."""

    name: str
    classes: int
    train: Split
    test: Split

    @property
    def format(self) -> Format:
        """Of both splits."""
        return Format(self.image_size, self.channels, self.classes)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.train.images.shape[3])
