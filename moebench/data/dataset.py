"""What a data set is: two splits of images in memory, and batches drawn from one of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32


@dataclass(frozen=True)
class Split:
    """Images with their labels; pixel values are near mean 0 and standard deviation 1."""

    images: Float32[np.ndarray, "image height width channel"]
    labels: Int32[np.ndarray, "image"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A training split, and a test split that no training sees."""

    name: str
    classes: int
    train: Split
    test: Split

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        return int(self.train.images.shape[1])

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return int(self.train.images.shape[3])


def batches(split: Split, batch: int, steps: int, seed: int, *, done: int = 0) -> Iterator[Split]:
    """So many batches, in an order drawn from the seed; every image is seen once before any is seen again.

    The first `done` of them are left out: a training that goes on sees what it would have seen unbroken.
    """
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, np.int64)
    for number in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(len(split))])
        chosen, waiting = waiting[:batch], waiting[batch:]
        if number >= done:
            yield Split(split.images[chosen], split.labels[chosen])
