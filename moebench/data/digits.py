"""Load the handwritten digits of scikit-learn.

The data set has 1,797 grey images of 8 × 8 pixels (UCI, Alpaydin 1998).
"""

import numpy as np

from moebench.data.dataset import Dataset, Split
from moebench.data.holdout import held_out
from moebench.data.registry import register

TEST_PER_CLASS = 36


@register("digits")
def digits() -> Dataset:
    """Handwritten digits, 8 × 8 pixels, 10 classes, 1,437 training and 360 test images.

    `image_size` can be up to 224.
    """
    from sklearn.datasets import load_digits  # imported late: a third of the time in which a cell's process starts

    bunch = load_digits()
    labels = bunch.target.astype(np.int32)
    test = held_out(labels, TEST_PER_CLASS)  # the file is ordered by writer
    pixels = bunch.images[..., None]
    images = ((pixels - pixels[~test].mean()) / pixels[~test].std()).astype(np.float32)
    return Dataset(
        name="digits",
        classes=10,
        train=Split(images[~test], labels[~test]),
        test=Split(images[test], labels[test]),
    )
