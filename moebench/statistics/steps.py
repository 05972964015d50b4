"""The resolution of metrics that are shares of images."""

import numpy as np

from moebench.statistics.intervals import Floats

_FEWEST_IMAGES, _MOST_IMAGES = 100, 10_000
"""Range of the number of test images if only accuracies are known."""
_LOOKED_AT = 20
"""Number of accuracies that are searched for a common step."""


def smallest_step(values: Floats) -> float:
    """Return the smallest difference between any two of `values`, float[n]; 0 without one.

    Equal values, apart from rounding, have no difference.
    """
    steps = np.diff(np.unique(values))
    steps = steps[steps > 1e-9 * np.abs(values).max(initial=0.0)]
    return float(steps.min()) if len(steps) else 0.0


def image_step(values: Floats, images: int | None) -> float:
    """Return the change of an accuracy by one test image.

    Args:
        values: float[n], accuracies.
        images: number of test images; None if unknown, so that the step is estimated from the accuracies.

    Returns:
        1 / images; else the largest step, from 1/100 to 1/10,000, of which all accuracies are multiples; 1/10,000 if
        there is no such step.
    """
    if images:
        return 1 / images
    counts = np.arange(_FEWEST_IMAGES, _MOST_IMAGES + 1)
    scaled = np.multiply.outer(np.unique(values)[:_LOOKED_AT], counts)
    # Accuracies may have been rounded to float32.
    fits = (np.abs(scaled - np.round(scaled)) < 1e-7 * counts).all(axis=0)
    return float(1 / (counts[fits][0] if fits.any() else _MOST_IMAGES))
