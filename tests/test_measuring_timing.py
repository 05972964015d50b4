"""The stopwatch: paired samples, ratios, flags, and the interval it reports."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from moebench.measuring import Comparison, Interval, compare
from moebench.measuring.timing import _flags


def sleeper(seconds: float) -> Callable[[], float]:
    """A program that takes a known time."""

    def call() -> float:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return seconds

    return call


def test_a_program_twice_as_slow_is_twice_as_slow() -> None:
    comparison = compare({"slow": sleeper(0.004), "fast": sleeper(0.002)}, budget_s=1.0, seed=0)
    assert comparison.seconds["fast"].value == pytest.approx(0.002, rel=0.05)
    ratio = comparison.ratio("slow", "fast")
    assert ratio.value == pytest.approx(2, rel=0.05)
    assert ratio.low <= ratio.value <= ratio.high
    assert len(ratio.samples) >= 9
    assert len(comparison.seconds["anchor"].samples) == len(ratio.samples)


def test_the_budget_ends_what_never_gets_precise() -> None:
    generator = np.random.default_rng(0)

    def erratic() -> float:
        return sleeper(float(generator.uniform(0.002, 0.02)))()

    began = time.perf_counter()
    comparison = compare({"erratic": erratic, "steady": sleeper(0.001)}, budget_s=0.5, seed=0)
    assert time.perf_counter() - began < 30
    assert "budget" in comparison.flags
    assert "noisy" in comparison.flags


def interval(*samples: float) -> Interval:
    return Interval(float(np.median(samples)), min(samples), max(samples), samples)


def test_ratios_are_of_samples_taken_together() -> None:
    # The second round was slow for both: pairwise the ratio is 2 each time.
    comparison = Comparison({"a": interval(*[2.0, 6.0, 2.0] * 3), "b": interval(*[1.0, 3.0, 1.0] * 3)}, ())
    ratio = comparison.ratio("a", "b")
    assert (ratio.value, ratio.low, ratio.high) == (2, 2, 2)


def test_flags() -> None:
    quiet = {"a": interval(1.0, 1.0, 1.01, 1.01), "anchor": interval(1.0, 1.0, 1.0, 1.0)}
    assert _flags(quiet, {"a": True}, precise=True) == ()
    assert _flags(quiet, {"a": False}, precise=False) == ("not_steady", "budget")
    # The anchor's median goes from 1.0 in the first half to 1.1 in the second.
    drifting = quiet | {"anchor": interval(1.0, 1.0, 1.1, 1.1)}
    assert _flags(drifting, {"a": True}, precise=True) == ("drift",)
    # Half the interval is (1.5 − 1) / 2 = 0.25, 21 % of the median 1.2.
    noisy = quiet | {"a": interval(1.0, 1.2, 1.2, 1.5)}
    assert _flags(noisy, {"a": True}, precise=True) == ("noisy",)
