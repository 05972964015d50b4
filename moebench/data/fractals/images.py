"""Render images of classes.

Each image depends on its class and number alone, whatever is rendered beside it.
"""

import numpy as np
from jaxtyping import Int64, UInt8

from moebench.data.fractals import classes as systems
from moebench.data.fractals import render as chaos
from moebench.data.fractals.classes import Systems
from moebench.data.fractals.render import hashed


def render(
    classes: Systems, labels: Int64[np.ndarray, "image"], numbers: Int64[np.ndarray, "image"], size: int
) -> UInt8[np.ndarray, "image size size 1"]:
    """Render images by class and number.

    Args:
        classes: classes of the whole data set.
        labels: class of each image.
        numbers: number of each image within its class, from 0.
        size: side in pixels.
    """
    keys = systems.keys(labels, numbers)
    chosen = systems.perturbed(classes[labels], keys)
    images = chaos.render(chosen.maps, chosen.shares, keys, size).copy()
    mirror = hashed(keys ^ np.uint32(0x1B56C4E9))
    across, down = mirror & np.uint32(1) > 0, mirror & np.uint32(2) > 0
    images[across] = images[across][:, :, ::-1]
    images[down] = images[down][:, ::-1]
    return images[..., None]
