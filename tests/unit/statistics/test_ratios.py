"""Ratios timed apart and their geometric mean: by hand, and with false positives counted."""

import numpy as np
import pytest

from moebench.errors import BadInput
from moebench.statistics import (
    Interval,
    RatioTest,
    geometric_mean_test,
    mann_whitney,
)

E = np.e
Z = 1.959964


def test_scatter_between_timings_by_hand() -> None:
    # The interval of the log ratio, 1 ± 0.03 z, has a spread of 0.03; with 0.04 of scatter it is 0.05: 1 ± 0.05 z.
    test = RatioTest(Interval(E, E ** (1 - 0.03 * Z), E ** (1 + 0.03 * Z)), 0.0).scattered(0.04)
    assert np.log(test.ratio) == pytest.approx([1, 1 - 0.05 * Z, 1 + 0.05 * Z], abs=1e-6)
    # 0.1 with a spread of 0.05 is two of them: a normal variable is further out with probability 0.0455.
    close = RatioTest(Interval(E**0.1, E ** (0.1 - 0.03 * Z), E ** (0.1 + 0.03 * Z)), 0.0).scattered(0.04)
    assert close.p_value == pytest.approx(0.0455, abs=1e-4)
    assert close.verdict(close.p_value, 0.05) == "higher"


def test_an_unknown_spread_stays_unknown_and_shows_nothing() -> None:
    test = mann_whitney([1, 1, 1], [2, 2, 2]).scattered(0.01)
    assert np.isnan(test.p_value)
    assert test.verdict(test.p_value, 0.05) == "not significant"


def test_two_timings_of_one_program_are_rarely_told_apart() -> None:
    # 400 pairs of timings of 50 samples each; every timing as a whole is off by 2 %, its samples by 5 %.
    rng = np.random.default_rng(0)
    plain = found = 0
    for _ in range(400):
        a, b = (np.exp(rng.normal(0, 0.02) + rng.normal(0, 0.05, 50)) for _ in range(2))
        test = mann_whitney(a, b)
        plain += test.p_value < 0.05
        found += test.scattered(np.sqrt(2) * 0.02).p_value < 0.05
    assert plain / 400 > 0.3
    assert 0.02 <= found / 400 <= 0.07


def test_the_geometric_mean_of_tests_by_hand() -> None:
    # Logs 0 and 0.2, spreads 0.03 and 0.04. Independent: sqrt(0.0009 + 0.0016) / 2 = 0.025. Sharing a side: 0.035.
    tests = [
        RatioTest(Interval(1.0, E ** (-0.03 * Z), E ** (0.03 * Z)), 1.0),
        RatioTest(Interval(E**0.2, E ** (0.2 - 0.04 * Z), E ** (0.2 + 0.04 * Z)), 0.0),
    ]
    apart, sharing = (geometric_mean_test(tests, independent=independent) for independent in (True, False))
    assert np.log(apart.ratio) == pytest.approx([0.1, 0.1 - 0.025 * Z, 0.1 + 0.025 * Z], abs=1e-6)
    assert np.log(sharing.ratio) == pytest.approx([0.1, 0.1 - 0.035 * Z, 0.1 + 0.035 * Z], abs=1e-6)
    # Four spreads from 0.
    assert apart.p_value == pytest.approx(6.334e-5, rel=1e-3)
    with pytest.raises(BadInput, match="no ratio"):
        geometric_mean_test([], independent=True)
