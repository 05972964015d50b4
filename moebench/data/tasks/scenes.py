"""Draw images from the patterns of their patches, with the truth about each patch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from moebench.data.tasks.glyphs import SIDE
from moebench.spec.tasks import LABELS

GRID = 8
"""Patches along a side of an image."""
PATCHES = GRID * GRID
UNIT = GRID * SIDE
"""Side in pixels of the smallest image; larger ones are whole multiples."""
NO_GROUP = 255
"""Truth of a patch that does not affect the label: no expert needs to process the patch."""
NOISE = 16
"""Noise changes a colour value by −16 to 15 of 255; colours are as far from both ends, so that no value is clipped."""


@dataclass(frozen=True)
class Scenes:
    """Contents of images before they are drawn."""

    patches: UInt8[np.ndarray, "image patch 4 4 3"]
    """Colours of each patch, row by row, without noise, from `NOISE` to 255 − `NOISE`."""
    label: Int64[np.ndarray, "image"]
    truth: Int64[np.ndarray, "image patch"]
    """Number of the expert that each patch should go to, or `NO_GROUP`."""


def draw(scenes: Scenes, size: int, generator: np.random.Generator) -> UInt8[np.ndarray, "image size size 4"]:
    """Draw images of three colours, with each pixel's truth as a fourth channel.

    The truth of a pixel is the truth about its patch.

    Args:
        scenes: the contents of the images.
        size: side in pixels, a multiple of `UNIT`.
        generator: draws the noise of the pixels.
    """
    count = len(scenes.label)
    grid = scenes.patches.reshape(count, GRID, GRID, SIDE, SIDE, 3).swapaxes(2, 3).reshape(count, UNIT, UNIT, 3)
    images = np.empty((count, size, size, 4), np.uint8)
    noise = np.frombuffer(generator.bytes(images[..., :3].size), np.uint8).reshape(count, size, size, 3)
    images[..., :3] = (noise & (2 * NOISE - 1)) + (grid - NOISE).repeat(size // UNIT, 1).repeat(size // UNIT, 2)
    images[..., 3] = scenes.truth.reshape(count, GRID, GRID).repeat(size // GRID, 1).repeat(size // GRID, 2)
    return images


def scattered(chosen: int, images: int, generator: np.random.Generator) -> Int64[np.ndarray, "image {chosen}"]:
    """Return different random patches of each image."""
    order: np.ndarray = np.argsort(generator.random((images, PATCHES)), axis=1)[:, :chosen]
    return order


def tables(count: int, seed: int) -> Int64[np.ndarray, "table symbol"]:
    """Return random tables from 16 symbols to 16 labels, unlike in every symbol.

    No two tables agree in any symbol, and each table is a random permutation.

    Args:
        count: number of tables, up to 16.
        seed: seed of the permutations.
    """
    generator = np.random.default_rng(seed)
    rows, symbols, labels = (generator.permutation(LABELS) for _ in range(3))
    found: np.ndarray = labels[(symbols[None, :] + rows[:count, None]) % LABELS]
    return found
