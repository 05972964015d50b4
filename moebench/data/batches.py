"""Make training batches ahead of their use in threads, ordered by a seed and augmented."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import numpy as np

from moebench.data.dataset import Pixels, Split
from moebench.data.threads import mapped, processors
from moebench.spec.cell_spec import Augment

Making = Callable[[], Split]
"""A function without arguments that makes one batch."""
MOST_THREADS = 4
"""Threads that make batches; up to twice as many finished batches wait in memory."""
CROP_SHARE = 8
"""An image is shifted by at most its side divided by this number: 4 pixels of 32, the usual choice for CIFAR."""


def batches(
    split: Split, batch: int, steps: int, seed: int, *, done: int = 0, augment: Augment = "none"
) -> Iterator[Split]:
    """Yield batches in an order drawn from the seed.

    Every image occurs once before any image occurs again.

    Args:
        split: the images.
        batch: images in a batch.
        steps: number of batches, including skipped ones.
        seed: seed of order and augmentation.
        done: batches to skip at the start, so that a resumed training continues with the batches of an unbroken one.
        augment: random changes of the images.
    """
    return (make() for make in batch_thunks(split, batch, steps, seed, done=done, augment=augment))


def batch_thunks(
    split: Split, batch: int, steps: int, seed: int, *, done: int = 0, augment: Augment = "none"
) -> Iterator[Making]:
    """Yield functions that make the batches of `batches`, each independent of all others.

    Args:
        split: the images.
        batch: images in a batch.
        steps: number of batches, including skipped ones.
        seed: seed of order and augmentation.
        done: batches to skip at the start.
        augment: random changes of the images.
    """
    generator = np.random.default_rng(seed)
    waiting = np.empty(0, np.int64)
    for number in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, generator.permutation(len(split))])
        chosen, waiting = waiting[:batch], waiting[batch:]
        if number >= done:
            yield partial(_make, split, chosen, augment, (seed, number))


def _make(split: Split, chosen: np.ndarray, augment: Augment, seed: tuple[int, int]) -> Split:
    images = _take(split.images, chosen, augment, np.random.default_rng(seed))
    return Split(images, split.targets(chosen, seed))


def _take(
    images: np.ndarray | Pixels, chosen: np.ndarray, augment: Augment, generator: np.random.Generator
) -> np.ndarray:
    if isinstance(images, Pixels):  # a byte is shifted and mirrored at a quarter of the cost of a float32
        return images.scale(augmented(images.take(chosen), augment, generator))
    return augmented(images[chosen], augment, generator)


def augmented(images: np.ndarray, augment: Augment, generator: np.random.Generator) -> np.ndarray:
    """Shift each image at random and, for "crop-flip", mirror it with probability 1/2.

    A shift is up to an eighth of the image's side. Pixels that a shift uncovers are filled by reflecting the image at
    its edge.

    Args:
        images: [image, height, width, channel], of any type.
        augment: "none" returns the images unchanged.
        generator: source of random shifts and mirrors.
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
    """Threads that make batches ahead of their use, and the time that they take.

    Threads are fast enough, since images are decoded already and NumPy releases the interpreter lock while it copies
    them.
    """

    def __init__(self, source: Iterator[Making]) -> None:
        self._source = source
        self.count = 0
        """Batches delivered so far."""
        self.made_s = 0.0
        """Seconds spent on making batches, summed over threads."""
        self.waited_s = 0.0
        """Seconds that the consumer waited for batches."""

    def __iter__(self) -> Iterator[Split]:
        with closing(mapped(_make_timed, self._source, min(MOST_THREADS, processors()))) as coming:
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


def _make_timed(make: Making) -> tuple[Split, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began
