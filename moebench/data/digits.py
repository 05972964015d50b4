"""Real handwritten digits, shipped inside scikit-learn: 1,797 grey images of 8 × 8 pixels (UCI, Alpaydin 1998)."""

import numpy as np
from sklearn.datasets import load_digits

from moebench.data.dataset import Dataset, Split
from moebench.data.registry import register

TEST_PER_CLASS = 36


@register("digits")
def digits() -> Dataset:
    """Handwritten digits, 8 × 8 pixels, 10 classes, 1,437 images for training and 360 for testing."""
    bunch = load_digits()
    labels = bunch.target.astype(np.int32)
    # Stratified without a random number: the file is ordered by writer, so images at even distances within a class
    # take about the same share of each writer.
    test = np.zeros(len(labels), bool)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        test[members[np.linspace(0, len(members) - 1, TEST_PER_CLASS).round().astype(int)]] = True
    pixels = bunch.images[..., None]
    images = ((pixels - pixels[~test].mean()) / pixels[~test].std()).astype(np.float32)
    return Dataset(
        name="digits",
        classes=10,
        train=Split(images[~test], labels[~test]),
        test=Split(images[test], labels[test]),
    )
