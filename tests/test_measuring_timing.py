"""The stopwatch: paired samples, ratios, flags, and the interval it reports."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from moebench.measuring import compare


def sleeper(seconds: float) -> Callable[[], float]:
    """A program that takes a known time."""

    def call() -> float:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return seconds

    return call


def test_a_program_twice_as_slow_is_twice_as_slow() -> None:
    comparison = compare({"slow": sleeper(0.004), "fast": sleeper(0.002)}, {"slow": "fast"}, budget_s=1.0, seed=0)
    assert comparison.seconds["fast"].value == pytest.approx(0.002, rel=0.05)
    ratio = comparison.ratios["slow"]
    assert ratio.value == pytest.approx(2, rel=0.05)
    assert ratio.low <= ratio.value <= ratio.high
    assert len(ratio.samples) >= 9
    assert len(comparison.anchor.samples) == len(ratio.samples)


def test_the_budget_ends_what_never_gets_precise() -> None:
    generator = np.random.default_rng(0)

    def erratic() -> float:
        return sleeper(float(generator.uniform(0.002, 0.02)))()

    began = time.perf_counter()
    comparison = compare({"erratic": erratic, "steady": sleeper(0.001)}, {"erratic": "steady"}, budget_s=0.5, seed=0)
    assert time.perf_counter() - began < 30
    assert "budget" in comparison.flags
    assert "noisy" in comparison.flags


