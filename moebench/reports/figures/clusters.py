"""Order the rows of a heat map so that similar rows are adjacent."""

import numpy as np


def clustered(rows: np.ndarray) -> np.ndarray:
    """Return the order of rows in which neighbours are similar, int[row].

    Average linkage on Euclidean distances, leaves ordered so that the distances between neighbours are smallest.

    Args:
        rows: float[row, column] without missing values.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist

    if len(rows) < 3:
        return np.arange(len(rows))
    found: np.ndarray = leaves_list(linkage(pdist(rows), method="average", optimal_ordering=True))
    return found
