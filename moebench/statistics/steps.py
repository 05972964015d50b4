"""Values that move in steps, such as an accuracy that is a number of test images: equal ones are no certainty."""

import numpy as np

from moebench.statistics.intervals import Floats


def smallest_step(values: Floats) -> float:
    """The smallest difference between any two of `values`, float[n], apart from rounding; 0 where all are equal."""
    steps = np.diff(np.unique(values))
    steps = steps[steps > 1e-9 * np.abs(values).max(initial=0.0)]
    return float(steps.min()) if len(steps) else 0.0


def within_step(values: Floats, step: float) -> Floats:
    """Equal values, float[n], spread as if each lay anywhere within a step; others, and a single one, as they are.

    Two seeds that happen to classify as many images right have equal accuracies, and an estimate of their scatter from
    these alone is 0. Values anywhere within a step have a variance of a twelfth of its square, which is given to them.
    """
    if len(values) < 2 or np.ptp(values) > 0:
        return values
    offsets = np.linspace(-1, 1, len(values))
    offsets *= step / (np.sqrt(12) * offsets.std(ddof=1))
    return values + offsets
