"""Scatter between timings."""

import numpy as np
import pytest

from moebench.statistics import timing_scatter


def test_by_hand() -> None:
    # 4 + 4 in squares about the means of two programs with 3 timings each, and 1 + 1 of two known to be 0: 10 over 6
    # freedoms. The errors within timings of 0.5 each take (2 + 2 + 1 + 1) · 0.25 = 1.5 off.
    repeats = [[(x, 0.5) for x in (1.0, 2.4142135624 + 1, 1.0)], [(x, 0.5) for x in (0.0, 2.0, 2.0)]]
    squares = sum(((np.array(group)[:, 0] - np.array(group)[:, 0].mean()) ** 2).sum() for group in repeats)
    found = timing_scatter(repeats, [(1.0, 0.5), (-1.0, 0.5)])
    assert found == pytest.approx(np.sqrt((squares + 2 - 1.5) / 6))


def test_too_few_timings_tell_nothing() -> None:
    assert timing_scatter([[(0.1, 0.0)], [(0.1, 0.0), (0.2, 0.0)]]) is None
    assert timing_scatter([], [(0.01, 0.0)] * 4) is None


def test_a_known_scatter_is_found() -> None:
    rng = np.random.default_rng(0)
    repeats = [[(x, 0.005) for x in rng.normal(0, np.hypot(0.02, 0.005), 4)] for _ in range(200)]
    assert timing_scatter(repeats) == pytest.approx(0.02, abs=0.001)
    assert timing_scatter([[(x, 0.01) for x in rng.normal(0, 0.005, 4)] for _ in range(50)]) == 0
