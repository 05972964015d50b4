"""Holding images out for testing, where the source does not say which."""

import numpy as np
from jaxtyping import Bool, Int

TEST_SHARE = 0.2


def held_out(labels: Int[np.ndarray, "image"], per_class: int | None = None) -> Bool[np.ndarray, "image"]:
    """Which images are for testing: of each class so many, or a fifth, at even distances in the order they come in.

    Without a random number: files are often ordered by who or what they come from, and so each takes about its share.
    A class of two or more images has at least one on either side.
    """
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = per_class or max(1, round(TEST_SHARE * len(members)))
        test[members[np.linspace(0, len(members) - 1, count).round().astype(int)]] = True
    return test
