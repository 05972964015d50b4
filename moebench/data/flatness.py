"""Measure the values that decoded images use, and warn if the images are nearly flat."""

import numpy as np
from jaxtyping import UInt8

FLAT_RANGE = 8
"""An image whose bytes differ by at most this much is nearly of one value."""
FLAT_SHARE = 0.1
"""A user is warned if a larger share of a split's images is nearly of one value."""
LEAST_STD = 8.0
"""Standard deviation of a split's bytes below which the split is nearly flat. One white pixel in 28 × 28 black ones
gives 9.1; photographs give about 60."""
_SPLITS = {"train": "training", "validation": "validation", "test": "test"}


class Flatness:
    """Histogram of each channel of a split, and the number of flat images.

    A flat image is nearly of one value.
    """

    def __init__(self, channels: int) -> None:
        self._histogram = np.zeros((channels, 256), np.int64)
        self._images = self._flat = 0

    def add(self, images: UInt8[np.ndarray, "image height width channel"]) -> None:
        """Count the values of more images."""
        if not len(images):
            return
        for channel, histogram in enumerate(self._histogram):
            histogram += np.bincount(images[..., channel].ravel(), minlength=256)
        ranges = images.max(axis=(1, 2)).astype(int) - images.min(axis=(1, 2))
        self._images += len(images)
        self._flat += int((ranges.max(axis=1) <= FLAT_RANGE).sum())

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean byte of each channel."""
        total = np.maximum(self._histogram.sum(1), 1)
        return tuple((self._histogram @ np.arange(256) / total).tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel's bytes."""
        total, values = np.maximum(self._histogram.sum(1), 1), np.arange(256)
        variance = self._histogram @ values**2 / total - (self._histogram @ values / total) ** 2
        return tuple(np.sqrt(np.maximum(variance, 0.0)).tolist())

    def notes(self, split: str) -> list[str]:
        """Return a sentence if many images, or all of them together, are nearly flat."""
        which = _SPLITS[split]
        if self._images and max(self.std) < LEAST_STD:
            return [
                f"the {which} images are nearly flat: their bytes have a mean of {np.mean(self.mean):.1f} and a "
                f"standard deviation of {max(self.std):.1f} in a range of 255; look at the depth of the files "
                "(dark images often use few of 16 bits) and at their transparency."
            ]
        if self._flat > FLAT_SHARE * self._images:
            return [
                f"{self._flat:,} of {self._images:,} {which} images are nearly of one value; look at the depth and the "
                "transparency of the files."
            ]
        return []
