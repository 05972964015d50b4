"""Batches for a training: in an order drawn from the seed, changed at random where asked, made ahead by a thread."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from moebench.data.dataset import Pixels, Split
from moebench.specification import Augment

AHEAD = 2
"""Batches made before they are asked for: one to hand over while the next is made."""
CROP_SHARE = 8
"""An image is shifted by at most this part of its side: 4 pixels of 32, as is usual for CIFAR."""


def batches(
    split: Split, batch: int, steps: int, seed: int, *, done: int = 0, augment: Augment = "none"
) -> Iterator[Split]:
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
            # Its own generator for each batch, so that those left out need not be drawn.
            images = _taken(split.images, chosen, augment, np.random.default_rng([seed, number]))
            yield Split(images, split.labels[chosen])


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


class Feed:
    """Batches made ahead of their use by a thread, with an account of what they cost."""

    def __init__(self, source: Iterator[Split]) -> None:
        self._source = source
        self.count = 0
        """Batches made so far."""
        self.made_s = 0.0
        """Seconds that it took to make them."""
        self.waited_s = 0.0
        """Seconds that their user waited for them."""

    def __iter__(self) -> Iterator[Split]:
        # The images are decoded and lie in memory or in a mapped file, so one thread keeps up.
        with ThreadPoolExecutor(1, thread_name_prefix="feed") as pool:
            coming = deque(pool.submit(self._make) for _ in range(AHEAD))
            while True:
                began = time.perf_counter()
                batch = coming.popleft().result()
                self.waited_s += time.perf_counter() - began
                if batch is None:
                    return
                coming.append(pool.submit(self._make))
                yield batch

    def _make(self) -> Split | None:
        began = time.perf_counter()
        batch: Any = next(self._source, None)
        if batch is not None:
            self.made_s += time.perf_counter() - began
            self.count += 1
        made: Split | None = batch
        return made
