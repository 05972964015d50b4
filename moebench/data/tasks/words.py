"""words-N: 64 visual words, a quarter of which mean the label.

A model has to memorise single patches.

Rule: each of N words is a random pattern of two random colours, and means one of 16 labels, so that only memory gives a
word's label. Each patch shows with probability 1/4 a word of the image's label, else any word.

Optimum: the label that most words of the image mean, right in nearly every image. Truth: 16 groups of as many words,
each with words of all labels; an expert for each group has a sixteenth of the words to learn. Chance: 1/16.
"""

import numpy as np
from jaxtyping import UInt8

from moebench.data.tasks.glyphs import SIDE
from moebench.data.tasks.scenes import NOISE, PATCHES, Scenes
from moebench.spec.tasks import LABELS

SHARE = 0.25
"""Probability that a patch shows a word of the image's label on purpose; of the other patches 1 in 16 does by chance.
"""


def vocabulary(words: int) -> UInt8[np.ndarray, "word 4 4 3"]:
    """Return the pattern of each word.

    Word w means label w mod 16, and belongs to group w // 16 mod 16.
    """
    generator = np.random.default_rng(words)
    ink = generator.integers(2, size=(words, SIDE, SIDE, 1)).astype(bool)
    first, second = generator.integers(NOISE, 256 - NOISE, size=(2, words, 1, 1, 3))
    patterns: np.ndarray = np.where(ink, first, second)
    return patterns.astype(np.uint8)


def sample(words: int, images: int, generator: np.random.Generator) -> Scenes:
    """Return the contents of images of random labels.

    Args:
        words: N.
        images: number of images.
        generator: draws labels and words.
    """
    label = generator.integers(LABELS, size=images)
    shown = generator.integers(words, size=(images, PATCHES))
    meant = shown // LABELS * LABELS + label[:, None]
    meant = np.where(meant < words, meant, label[:, None])
    shown = np.where(generator.random(shown.shape) < SHARE, meant, shown)
    return Scenes(vocabulary(words)[shown], label, shown // LABELS % LABELS)
