"""needles-N: N of 64 patches determine the label, the others show glyphs of another alphabet.

Rule: a needle shows one of 16 symbols in red and one of 8 signs in blue over each other; each sign has a table of its
own from symbols to labels, and no two tables agree in any symbol. All needles of an image are alike and at random
places. The other patches are distractors, green glyphs that never occur in a needle.

Optimum: accuracy 1. Truth: the sign of a needle, and 255 for distractors. Experts need to process N / 64 of the tokens;
a router that drops at random keeps a share C of the needles, with capacity factor C below 1, one choice for each token
and equal requested loads of the experts. Chance: 1/16.
"""

import numpy as np

from moebench.data.tasks.glyphs import alphabet
from moebench.data.tasks.scenes import NO_GROUP, PATCHES, Scenes, scattered, tables
from moebench.spec.tasks import LABELS

_TABLES = 2
_SIGNS = 8
_GROUND, _INK = 40, 200


def sample(needles: int, images: int, generator: np.random.Generator) -> Scenes:
    """Return the contents of images of random symbols and signs.

    Args:
        needles: N, from 1 to 32.
        images: number of images.
        generator: draws symbols, signs, distractors and places.
    """
    symbols, signs, distractors = alphabet()[:LABELS], alphabet()[LABELS:][:_SIGNS], alphabet()[2 * LABELS :]
    symbol, sign = generator.integers(LABELS, size=images), generator.integers(_SIGNS, size=images)
    patches = np.full((images, PATCHES, 4, 4, 3), _GROUND, np.uint8)
    patches[..., 1][distractors[generator.integers(len(distractors), size=(images, PATCHES))]] = _INK
    needle = np.full((images, 4, 4, 3), _GROUND, np.uint8)
    needle[..., 0][symbols[symbol]] = _INK
    needle[..., 2][signs[sign]] = _INK
    truth = np.full((images, PATCHES), NO_GROUP)
    at = np.arange(images)[:, None], scattered(needles, images, generator)
    patches[at], truth[at] = needle[:, None], sign[:, None]
    return Scenes(patches, tables(_SIGNS, _TABLES)[sign, symbol], truth)
