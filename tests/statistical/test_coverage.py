"""A nominal 95 % interval covers in 93 to 97 % of 2,000 simulated data sets, and a ruler finds what it should."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from moebench.statistics import (
    compare,
    difference_interval,
    geometric_mean,
    mann_whitney,
    mean_interval,
    median_interval,
    pareto_probability,
    probability_of_improvement,
    scaling_fit,
)

SETS = 2_000
FEW = {"resamples": 1_000}
"""A tenth of the default, to keep the tests short; the coverage is the same."""


def _coverage(interval: Callable[[np.ndarray], tuple[float, float, float]], sets: np.ndarray, truth: float) -> float:
    bounds = np.array([interval(samples)[1:] for samples in sets])
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


@pytest.mark.parametrize("n", [3, 4, 5, 7, 10])
def test_mean_of_few_seeds(n: int) -> None:
    sets = np.random.default_rng(n).normal(0.96, 0.01, (SETS, n))
    assert 0.93 <= _coverage(lambda samples: mean_interval(samples, **FEW), sets, 0.96) <= 0.97


def test_the_plain_bootstrap_would_not_do() -> None:
    # Why the correction is there: three seeds resampled as they are cover 75 %.
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(SETS, 3))
    means = np.take_along_axis(sets[:, None], rng.integers(0, 3, (SETS, 500, 3)), axis=2).mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.8


@pytest.mark.parametrize("spreads", [(1.0,) * 4, (0.2, 1.0, 2.0, 3.0)])
def test_mean_over_cells_of_three_seeds(spreads: tuple[float, ...]) -> None:
    strata = np.repeat(np.arange(4), 3)
    sets = np.random.default_rng(1).normal(size=(SETS, 12)) * np.repeat(spreads, 3)
    assert 0.93 <= _coverage(lambda samples: mean_interval(samples, strata, **FEW), sets, 0) <= 0.97


def test_difference_of_two_cells_and_geometric_mean() -> None:
    sets = np.random.default_rng(2).normal(size=(SETS, 7)) * np.repeat([1.0, 2.0], [3, 4])
    assert 0.93 <= _coverage(lambda s: difference_interval(s[:3], s[3:], **FEW), sets, 0) <= 0.97
    ratios = np.random.default_rng(3).lognormal(0, 0.3, (SETS, 5))
    assert 0.93 <= _coverage(lambda s: geometric_mean(s, **FEW), ratios, 1) <= 0.97


@pytest.mark.parametrize("n", [5, 6, 8, 10, 25])
@pytest.mark.parametrize("law", ["normal", "exponential", "cauchy"])
def test_median_under_any_law(law: str, n: int) -> None:
    rng = np.random.default_rng(n)
    draw = {"normal": rng.normal, "exponential": rng.exponential, "cauchy": rng.standard_cauchy}[law]
    truth = np.log(2) if law == "exponential" else 0
    assert 0.925 <= _coverage(median_interval, draw(size=(SETS, n)), truth) <= 0.97


@pytest.mark.parametrize(("n", "shift", "truth"), [(3, 0, 0.5), (5, 2, 0.92135)])
def test_probability_of_improvement(n: int, shift: int, truth: float) -> None:
    sets = np.random.default_rng(n).normal(size=(SETS, 2 * n))
    covered = _coverage(lambda s: probability_of_improvement(s[:n] + shift, s[n:]), sets, truth)
    # The truth is Φ(shift / √2). With three a side U takes ten values only, and 1/2 is never ruled out.
    assert 0.935 <= covered <= (1 if n == 3 else 0.985)


def test_probability_of_improvement_over_cells() -> None:
    strata = np.repeat(np.arange(4), 3)
    sets = np.random.default_rng(5).normal(size=(SETS, 24))
    covered = _coverage(lambda s: probability_of_improvement(s[:12] + 1, s[12:], strata, strata), sets, 0.76025)
    assert 0.93 <= covered <= 0.98


@pytest.mark.parametrize("levels", [4, 6])
def test_slope_of_a_scaling_law(levels: int) -> None:
    rng = np.random.default_rng(levels)
    x = np.repeat(2.0 ** np.arange(1, levels + 1), 2)
    # A level's own deviation is shared by its two seeds: what makes counting seeds as points too narrow.
    y = 0.9 + 0.01 * np.log2(x) + np.repeat(rng.normal(0, 0.01, (SETS // 2, levels)), 2, axis=1)
    y = y + rng.normal(0, 0.005, y.shape)
    frames = [pd.DataFrame({"experts": x, "accuracy": row}) for row in y]
    covered = np.mean(
        [fit.low <= 0.01 <= fit.high for fit in (scaling_fit(f, "experts", "accuracy").slope for f in frames)]
    )
    assert 0.93 <= covered <= 0.97


def test_ratio_of_times() -> None:
    sets = np.random.default_rng(8).lognormal(0, 0.1, (SETS // 2, 40))
    assert 0.93 <= _coverage(lambda s: mann_whitney(s[:20] * 1.1, s[20:]).ratio, sets, 1.1) <= 0.97


def _found(slowdown: float, repeats: int = 300) -> float:
    """The share of repeats in which A, slowed down, is called higher: 30 samples a side, 4 % of noise, long tail."""
    rng = np.random.default_rng(9)
    times = 1 + 0.04 * rng.gamma(2, 0.7, (repeats, 2, 30))
    verdicts = [compare({"a": (a * slowdown, b)})["verdict"][0] for a, b in times]
    return float(np.mean(np.array(verdicts) == "higher"))


def test_the_verdict_calls_equals_equal_and_finds_a_planted_slowdown() -> None:
    assert _found(1.0) <= 0.05
    assert _found(1.05) >= 0.9
    assert _found(1.1) >= 0.99


def test_holm_keeps_false_findings_rare_over_a_whole_suite() -> None:
    rng = np.random.default_rng(10)
    wrong = []
    for _ in range(100):
        pairs = {str(i): (rng.lognormal(0, 0.2, 15), rng.lognormal(0, 0.2, 15)) for i in range(10)}
        wrong.append(bool(compare(pairs, smallest_effect=0.0)["verdict"].isin(["higher", "lower"]).any()))
    assert np.mean(wrong) <= 0.1, "5 % are due; without correction it would be 40 %"


def test_cells_that_differ_by_chance_only_are_rarely_ruled_off_the_front() -> None:
    rng = np.random.default_rng(11)
    ruled_off = []
    for _ in range(300):
        frame = pd.DataFrame({"cell_id": ["a"] * 3 + ["b"] * 3, "flops": 1.0, "accuracy": rng.normal(0.9, 0.01, 6)})
        ruled_off.append(pareto_probability(frame, "flops", "accuracy", resamples=500)["probability"].min() < 0.05)
    assert np.mean(ruled_off) <= 0.12, "either of the two may be, so 10 % are due"
