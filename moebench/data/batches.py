"""Batches for a training: in an order drawn from the seed, changed at random where asked, made ahead by threads."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import numpy as np

from moebench.data.dataset import Pixels, Split
from moebench.data.threads import mapped, processors
from moebench.spec.cell_spec import Augment

Making = Callable[[], Split]
"""Makes one batch when it is called."""
MOST_THREADS = 4
"""They make twice as many batches before these are asked for, which lie in memory meanwhile."""
CROP_SHARE = 8
"""An image is shifted by at most this part of its side: 4 pixels of 32, as is usual for CIFAR."""


def batches(
    split: Split, batch: int, steps: int, seed: int, *, done: int = 0, augment: Augment = "none"
) -> Iterator[Split]:
    """So many batches, in an order drawn from the seed; every image is seen once before any is seen again.

    The first `done` of them are left out: a training that goes on sees what it would have seen unbroken.
    """
    return (make() for make in batch_thunks(split, batch, steps, seed, done=done, augment=augment))


def batch_thunks(
    split: Split, batch: int, steps: int, seed: int, *, done: int = 0, augment: Augment = "none"
) -> Iterator[Making]:
    """The same `batches` still to be made, each by a call that depends on no other."""
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, np.int64)
    for number in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(len(split))])
        chosen, waiting = waiting[:batch], waiting[batch:]
        if number >= done:
            yield partial(_made, split, chosen, augment, (seed, number))


def _made(split: Split, chosen: np.ndarray, augment: Augment, seed: tuple[int, int]) -> Split:
    images = _taken(split.images, chosen, augment, np.random.default_rng(seed))
    return Split(images, split.labels[chosen])


def _taken(
    images: np.ndarray | Pixels, chosen: np.ndarray, augment: Augment, generator: np.random.Generator
) -> np.ndarray:
    if isinstance(images, Pixels):  # bytes are moved while they are bytes, a quarter of what they will be
        return images.scale(augmented(images.stored[chosen], augment, generator))
    return augmented(images[chosen], augment, generator)


def augmented(images: np.ndarray, augment: Augment, generator: np.random.Generator) -> np.ndarray:
    """The images, each shifted by up to an eighth of its side and, for "crop-flip", every other one mirrored.

    What a shift uncovers is filled with the image's own mirrored edge.

    Args:
        images: [image, height, width, channel], of any type.
        augment: "none" gives the images as they are.
        generator: draws shifts and mirrors.
    """
    if augment == "none":
        return images
    count, side = images.shape[:2]
    most = side // CROP_SHARE
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="symmetric")
    shifts = generator.integers(0, 2 * most + 1, (count, 2))
    mirrored = generator.integers(0, 2, (count,))
    changed = np.empty_like(images)
    for image, (down, right) in enumerate(shifts):
        crop = padded[image, down : down + side, right : right + side]
        changed[image] = crop[:, ::-1] if augment == "crop-flip" and mirrored[image] else crop
    return changed


class Prefetcher:
    """Batches made ahead of their use by other threads, with an account of what they cost.

    The images are decoded and lie in memory or in a mapped file, so threads keep up: NumPy lets others run while it
    moves images.
    """

    def __init__(self, source: Iterator[Making]) -> None:
        self._source = source
        self.count = 0
        """Batches handed over so far."""
        self.made_s = 0.0
        """Seconds that it took to make them, of all threads together."""
        self.waited_s = 0.0
        """Seconds that their user waited for them."""

    def __iter__(self) -> Iterator[Split]:
        with closing(mapped(_timed, self._source, min(MOST_THREADS, processors()))) as coming:
            while True:
                began = time.perf_counter()
                made = next(coming, None)
                self.waited_s += time.perf_counter() - began
                if made is None:
                    return
                batch, seconds = made
                self.made_s += seconds
                self.count += 1
                yield batch


def _timed(make: Making) -> tuple[Split, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began
