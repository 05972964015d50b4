"""Covariances of cell means that arise because test images are a sample of all images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moebench.errors import BadInput
from moebench.statistics.intervals import Floats


@dataclass(frozen=True)
class ImageCovariance:
    """Covariances of cell means that images cause, float[cells, cells].

    NaN for cells whose values of single images are unknown, 0 between cells of different test sets.
    """

    same_seed: Floats
    """Covariances of means of one seed; the excess over `other_seed` is the effect of an image under one seed alone."""
    other_seed: Floats
    """Covariances of means of two seeds: the effect of an image under every seed."""

    @classmethod
    def from_values(cls, values: Sequence[Floats | None], test_sets: Sequence[str | None]) -> "ImageCovariance":
        """Estimate the covariances from the values of single images.

        Args:
            values: for each cell float[seeds, images], NaN for a missing seed; None for a cell without such values.
            test_sets: for each cell the name of its images.

        Raises:
            BadInput: cells of one test set have different numbers of images.
        """
        same, other = (np.full((len(values),) * 2, np.nan) for _ in range(2))
        known = [place for place, value in enumerate(values) if value is not None]
        same[np.ix_(known, known)] = other[np.ix_(known, known)] = 0.0
        for test_set in dict.fromkeys(test_sets[place] for place in known):
            members = [place for place in known if test_sets[place] == test_set]
            parts = [value for place in members if (value := values[place]) is not None]
            counts = sorted({part.shape[-1] for part in parts})
            if len(counts) > 1:
                raise BadInput(
                    f"cells of the test set '{test_set}' have {' and '.join(map(str, counts))} test images; only cells "
                    "that were evaluated on the same images can be paired by image."
                )
            places = np.ix_(members, members)
            same[places], other[places] = _covariances(np.stack(parts))
        return cls(same, other)


def _covariances(values: Floats) -> tuple[Floats, Floats]:
    """Return the covariances within and across seeds, float[cells, cells], of float[cells, seeds, images]."""
    images = values.shape[-1]
    present: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(axis=-1))
    centred = np.where(present[..., None], values - values.mean(axis=-1, keepdims=True), 0.0)
    within = np.einsum("asi,bsi->ab", centred, centred, optimize=True)
    total = centred.sum(axis=1)
    here = present.astype(np.float64)
    shared = here @ here.T
    counts = present.sum(axis=1)
    pairs = np.multiply.outer(counts, counts) - shared
    scale = images * (images - 1)
    unknown = np.full_like(within, np.nan)
    # With one seed the sums are rounding errors, which must not be divided by 0.
    same = np.divide(within, shared * scale, out=unknown.copy(), where=shared > 0)
    other = np.divide(total @ total.T - within, pairs * scale, out=unknown, where=pairs > 0)
    return same, other
