"""Serve words-N: images of 64 visual words, of which a quarter stand for the label; what decides is memory per patch.

Each of N words is a pattern of 4 × 4 pixels in two colours, and stands for one of 16 labels at random: nothing but
memory tells a word's label. An image shows 64 words; each is with probability 1/4 a word of the image's label, else any
word. Known optimum: the label that most words of the image stand for, right in nearly every image; chance is 1 in 16.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int16, Int64, UInt8

from moebench.data.cache import is_kept, kept
from moebench.data.dataset import Dataset, Format
from moebench.data.set_files import SplitName, Writer
from moebench.data.source import LARGEST, Say
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment

TRAIN, TEST = 12_000, 2_000
"""Images of each split for up to 512 words; more words have more training images, in proportion."""
WORDS = (64, 4096)
LABELS = 16
SHARE = 0.25
"""Probability that a patch shows a word of the image's label on purpose; of the others 1 in 16 does by chance."""
SIDE = 4
"""Pixels along a side of a word."""
GRID = 8
"""Words along a side of an image."""
NOISE = 16
"""Largest change of a pixel's colour value by noise, of 255."""
RENDERING = 1
"""Version of the rendering, part of the cache key: raised with every change that changes an image."""
_OWN_SIZE = GRID * SIDE
_PART = 2_000
"""Images drawn at a time."""


class Words:
    """Images of visual words with random labels, for 64 to 4,096 words."""

    augment: Augment = "none"

    def __init__(self, words: int) -> None:
        """Choose the number of words.

        Raises:
            BadInput: there are too few or too many words, or not equally many for each label.
        """
        if not WORDS[0] <= words <= WORDS[1] or words % LABELS:
            nearest = min(max(round(words / LABELS) * LABELS, WORDS[0]), WORDS[1])
            raise BadInput(
                f"words-N has a multiple of {LABELS} words from {WORDS[0]} to {WORDS[1]:,}, and {words:,} were asked "
                f"for: the nearest is words-{nearest}.",
                key="data",
            )
        self.words = words

    @classmethod
    def named(cls, name: str) -> "Words | None":
        """Return the data set of a name such as words-512; None for any other name."""
        match = re.fullmatch(r"words-(\d{1,9})", name)
        return cls(int(match[1])) if match else None

    @property
    def name(self) -> str:
        """Canonical name."""
        return f"words-{self.words}"

    @property
    def images(self) -> dict[SplitName, int]:
        """Images of each split."""
        return {"train": TRAIN * max(self.words, 512) // 512, "test": TEST}

    def describe(self) -> str:
        """Describe the data set in one line."""
        return (
            f"Images of 64 visual words, {_OWN_SIZE} × {_OWN_SIZE} pixels (image_size: its multiples up to {LARGEST}): "
            f"{self.words:,} words to memorise, {LABELS} classes, {self.images['train']:,} images for training and "
            f"{TEST:,} for testing."
        )

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images: three colours, 32 pixels by default.

        Raises:
            BadInput: words do not fit that size.
        """
        size = _OWN_SIZE if image_size is None else image_size
        if size % _OWN_SIZE or not _OWN_SIZE <= size <= LARGEST:
            nearest = min(max(round(size / _OWN_SIZE), 1), LARGEST // _OWN_SIZE) * _OWN_SIZE
            raise BadInput(
                f"{self.name} is drawn at multiples of {_OWN_SIZE} pixels up to {LARGEST}, and image_size={size} was "
                f"asked for: the nearest is {nearest}.",
                key="image_size",
            )
        return Format(size, 3, LABELS)

    def identity(self) -> str:
        """Return "": code alone decides the content."""
        return ""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images from the cache, or draw them now."""
        kind = self.format(image_size)

        def make(folder: Path) -> None:
            say(f"drawing {self.name} at {kind.image_size} pixels, once for this machine")
            with Writer(folder, self.images, kind, say) as writer:
                for split, images, labels in self._drawn(kind.image_size):
                    writer.add(split, images, labels)
                writer.finish()

        return kept(self.name, self._key(kind), make, say)

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are drawn already."""
        return is_kept(self._key(self.format(image_size)))

    def _key(self, kind: Format) -> str:
        return f"{self.name}-{kind.image_size}px-v{RENDERING}"

    def _drawn(self, size: int) -> Iterator[tuple[SplitName, np.ndarray, np.ndarray]]:
        """Yield images and labels of both splits in parts."""
        vocabulary = patterns(self.words)
        for number, (split, count) in enumerate(self.images.items()):
            for start in range(0, count, _PART):
                generator = np.random.default_rng([self.words, 1 + number, start])
                words, labels = sample(self.words, min(_PART, count - start), generator)
                yield split, draw(vocabulary[words], size // _OWN_SIZE, generator), labels


def patterns(words: int) -> Int16[np.ndarray, "word 4 4 3"]:
    """Return the pattern of each word: random pixels of two random colours."""
    generator = np.random.default_rng([words, 0])
    ink = generator.integers(2, size=(words, SIDE, SIDE, 1)).astype(bool)
    first, second = generator.integers(256, size=(2, words, 1, 1, 3), dtype=np.int16)
    found: np.ndarray = np.where(ink, first, second)
    return found


def sample(
    words: int, images: int, generator: np.random.Generator
) -> tuple[Int64[np.ndarray, "image 64"], Int64[np.ndarray, "image"]]:
    """Draw the words that images show, and the images' labels; word w stands for label w mod 16."""
    labels = generator.integers(LABELS, size=images)
    shown = generator.integers(words, size=(images, GRID * GRID))
    meant = shown // LABELS * LABELS + labels[:, None]
    on_purpose = generator.random(shown.shape) < SHARE
    return np.where(on_purpose, meant, shown), labels


def draw(
    shown: Int16[np.ndarray, "image 64 4 4 3"], scale: int, generator: np.random.Generator
) -> UInt8[np.ndarray, "image side side 3"]:
    """Set words side by side, enlarge them, and add noise to each pixel.

    Args:
        shown: patterns of each image's words, row by row.
        scale: pixels for each pixel of a pattern.
        generator: draws the noise.
    """
    grid = shown.reshape(-1, GRID, GRID, SIDE, SIDE, 3).swapaxes(2, 3).reshape(-1, _OWN_SIZE, _OWN_SIZE, 3)
    enlarged = grid.repeat(scale, axis=1).repeat(scale, axis=2)
    noise = generator.integers(-NOISE, NOISE, enlarged.shape, np.int16, endpoint=True)
    drawn: np.ndarray = (enlarged + noise).clip(0, 255).astype(np.uint8)
    return drawn
