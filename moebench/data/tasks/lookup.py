"""lookup-N: N images with random labels, which measure how much a model memorises.

Training and test images are equal.

Rule: each image repeats one random texture of 4 × 4 points in all of its patches, and its label is drawn at random.
Nothing but memory gives the label.

Optimum: accuracy 1, which is 4 · N bits. Truth: the images are dealt to 16 groups in turn; experts for the groups have
N / 16 labels each to remember. No texture shows its group, so that this truth is an upper bound of the gain by routing,
and not a routing that a router should find: any even division of the images is as good. Chance: 1/16, which is 0 bits.
"""

import math

import numpy as np

from moebench.data.tasks.scenes import PATCHES, Scenes
from moebench.spec.tasks import LABELS

GROUPS = 16
_DARKEST, _LIGHTEST = 24, 232
"""Range of the colours, in which noise is never clipped."""


def sample(count: int, images: int, generator: np.random.Generator) -> Scenes:
    """Return the contents of images of random textures.

    Args:
        count: N; only `images` of these are drawn.
        images: number of images.
        generator: draws textures and labels.
    """
    texture = generator.integers(_DARKEST, _LIGHTEST, (images, 1, 4, 4, 3), np.uint8)
    patches = np.broadcast_to(texture, (images, PATCHES, 4, 4, 3))
    truth = np.broadcast_to((np.arange(images) % GROUPS)[:, None], (images, PATCHES))
    return Scenes(patches, generator.integers(LABELS, size=images), truth)


def bits(loss: float, images: int, classes: int = LABELS) -> float:
    """Return the bits that a model stores of the labels.

    The number is N · (log V − loss) / log 2.

    Args:
        loss: mean cross-entropy on the N images in nats.
        images: N.
        classes: V.
    """
    return images * (math.log(classes) - loss) / math.log(2)
