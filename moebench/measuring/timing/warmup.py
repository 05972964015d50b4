"""Detection of the steady state: autotuning, rising clocks and cold caches belong to the warm-up."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from moebench.measuring.timing.sampler import Sampler

WINDOW = 5
AGREEMENT = 0.05
"""Largest difference between the quartiles of two successive windows, as a share."""
SPREAD = 0.1
"""Largest interquartile range of each window, as a share of its median."""


def steady(earlier: Sequence[float], later: Sequence[float]) -> bool:
    """Return whether two successive windows agree.

    Quartiles have to be within 5 % of each other, and interquartile ranges within 10 % of the median.

    Args:
        earlier: samples of the first window.
        later: samples of the second window.
    """
    before, after = (np.quantile(window, [0.25, 0.5, 0.75]) for window in (earlier, later))
    spreads = [(high - low) / middle for low, middle, high in (before, after)]
    return bool(np.allclose(after, before, rtol=AGREEMENT, atol=0) and max(spreads) <= SPREAD)


def warm_up(samplers: Mapping[str, Sampler], most_s: float) -> set[str]:
    """Run all programs in turns until each has been steady once, or for `most_s` seconds.

    The programs warm up together because they are timed together: a program alone would settle in caches that it later
    shares.

    Args:
        samplers: programs by name.
        most_s: the longest warm-up in seconds.

    Returns:
        The names of the programs that became steady.
    """
    windows: dict[str, list[float]] = {name: [] for name in samplers}
    settled: set[str] = set()
    began = time.perf_counter()
    while settled != samplers.keys() and time.perf_counter() - began < most_s:
        for name, sampler in samplers.items():
            windows[name].append(sampler.sample().wall_s)
        taken = len(next(iter(windows.values())))
        if taken % WINDOW == 0 and taken > WINDOW:
            settled |= {
                name for name, window in windows.items() if steady(window[-2 * WINDOW : -WINDOW], window[-WINDOW:])
            }
    return settled
