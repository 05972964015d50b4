"""Find the size of the test set behind accuracies, and thus their resolution."""

import numpy as np
import pandas as pd

from moebench.reports.analysis.cells import listed
from moebench.statistics.intervals import Floats

LARGEST = 100_000
_ENOUGH = 4
"""Different accuracies below which an inferred size is unreliable."""


def test_images(rows: pd.DataFrame) -> dict[str, int]:
    """Return each data set's number of test images, if the rows determine the number.

    Rows that record each image's correctness have the number; for other rows the number is the smallest with which
    every accuracy is a whole number of images.
    """
    found = {}
    for data, group in rows[rows["accuracy"].notna()].groupby("data"):
        recorded = [len(listed(value)) for value in group.get("image_correct", pd.Series(dtype=object))]
        size = max(recorded, default=0) or _smallest(np.unique(group["accuracy"].to_numpy(float)))
        if size:
            found[str(data)] = size
    return found


def _smallest(accuracies: Floats) -> int:
    """Return the smallest size of a set in which all shares, float[n], are possible.

    The result is 0 without a reliable size.
    """
    if len(accuracies) < _ENOUGH:
        return 0
    sizes = np.arange(2, LARGEST + 1)
    # Shares are stored as float64 of float32 means, which are right to 7 digits.
    for share in accuracies:
        images = share * sizes
        sizes = sizes[np.abs(images - np.round(images)) < np.maximum(1e-6 * sizes, 1e-9)]
    return int(sizes[0]) if len(sizes) and sizes[0] < LARGEST / 10 else 0
