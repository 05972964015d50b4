"""Intervals and verdicts, against numbers worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu

from moebench.errors import BadInput
from moebench.statistics import (
    Interval,
    RatioTest,
    mann_whitney,
    median_interval,
    probability_of_improvement,
    proportion_interval,
    student_intervals,
)
from moebench.statistics.comparison import _depth, _null_counts

NAN, INF = float("nan"), float("inf")
positive = st.floats(0.01, 100)


# Medians


def test_nine_samples_interpolate_between_the_second_and_third_from_each_end() -> None:
    # The second smallest and second largest of 9 hold the median unless at most 1 sample falls on one side of it:
    # 1 - 2 (1 + 9) / 512 = 0.96094; the third ones: 1 - 2 (1 + 9 + 36) / 512 = 0.82031.
    # Excess (0.96094 - 0.95) / (0.96094 - 0.82031) = 0.07778; share 7 · 0.07778 / (2 + 5 · 0.07778) = 0.22791.
    assert median_interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == pytest.approx((5, 2.22791, 7.77209), abs=1e-5)


def test_few_samples_span_from_the_smallest_to_the_largest_and_say_what_that_covers() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (2, 1, 3)


def test_one_sample_has_no_interval_and_none_has_no_median() -> None:
    assert median_interval([4.0]) == pytest.approx((4, NAN, NAN), nan_ok=True)
    assert median_interval([]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)
    assert median_interval([1.0, NAN, 2.0]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)


def test_missed_targets_count_as_infinity() -> None:
    # Six: coverages 0.96875 and 0.78125, excess 0.1, share 5 · 0.1 / (1 + 4 · 0.1) = 0.35714 of the way to the next.
    assert median_interval([1, 2, 3, 4, 5, INF]) == (3.5, pytest.approx(1.35714, abs=1e-5), INF)
    assert median_interval([1.0, INF, INF]) == (INF, 1, INF)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40), st.floats(0.5, 0.99), st.integers(-99, 99))
def test_a_median_interval_holds_the_median_and_moves_with_the_samples(
    samples: list[int], level: float, shift: int
) -> None:
    value, low, high = median_interval(samples, level)
    assert min(samples) <= low + 1e-9 <= value + 2e-9 <= high + 3e-9 <= max(samples) + 4e-9
    moved = median_interval(np.array(samples) + shift, level)
    assert moved == pytest.approx((value + shift, low + shift, high + shift), abs=1e-6)
    wide, narrow = median_interval(samples, 0.99), median_interval(samples, 0.5)
    assert wide.low <= narrow.low + 1e-9
    assert narrow.high <= wide.high + 1e-9


# Means


def test_means_of_groups_by_hand() -> None:
    # 0, 0, 3: a mean of 1 and a variance of 3, ± 4.3027 · √(3 / 3); 5 alone has no bounds, and nothing no mean.
    means, low, high = student_intervals(np.array([0.0, 5, 0, 3]), np.array([0, 1, 0, 0]), 3)
    assert means == pytest.approx([1, 5, NAN], nan_ok=True)
    assert low == pytest.approx([1 - 4.3027, NAN, NAN], abs=1e-4, nan_ok=True)
    assert high == pytest.approx([1 + 4.3027, NAN, NAN], abs=1e-4, nan_ok=True)


# Probability of improvement


def test_improvement_counts_pairs_and_halves_ties() -> None:
    # 1 beats none of 2, 2, 4; 2 ties with two; 3 beats two: (0 + 1 + 2) of 9.
    assert probability_of_improvement([1, 2, 3], [2, 2, 4]).value == pytest.approx(1 / 3)
    assert probability_of_improvement([1, 2, 3], [2, 2, 4], higher_is_better=False).value == pytest.approx(2 / 3)
    # Cell p: 1/3 as above; cell q: always. Means over cells, in whatever order the samples come.
    both = probability_of_improvement([9, 1, 2, 3, 9], [4, 2, 8, 8, 2], list("qpppq"), list("ppqqp"))
    assert both.value == pytest.approx((1 / 3 + 1) / 2)


def test_three_seeds_that_all_win_do_not_yet_exclude_chance() -> None:
    value, low, high = probability_of_improvement([4, 5, 6], [1, 2, 3])
    assert (value, high) == (1, 1)
    # The bound solves 1 - 1/18 - p = z sqrt(p (1 - p) (1 + 2 ((1 - p) / (2 - p) + p / (1 + p))) / 9).
    assert 1 - 1 / 18 - low == pytest.approx(
        1.959964 * np.sqrt(low * (1 - low) * (1 + 2 * ((1 - low) / (2 - low) + low / (1 + low))) / 9), abs=1e-5
    )
    assert 0.4 < low < 0.5
    assert probability_of_improvement(np.arange(10) + 20, np.arange(10)).low > 0.5


def test_improvement_without_spread_or_with_nan_has_no_interval() -> None:
    assert probability_of_improvement([1], [0, 0]) == pytest.approx((1, NAN, NAN), nan_ok=True)
    assert probability_of_improvement([1, NAN], [0, 0]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=8), st.lists(st.integers(0, 5), min_size=2, max_size=8))
def test_improvement_of_a_is_no_improvement_of_b(a: list[int], b: list[int]) -> None:
    ours, theirs = probability_of_improvement(a, b), probability_of_improvement(b, a)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1
    assert ours == pytest.approx((1 - theirs.value, 1 - theirs.high, 1 - theirs.low), abs=1e-9)
    assert probability_of_improvement(a, a).value == 0.5


# Mann-Whitney, verdicts


def test_null_counts_by_hand() -> None:
    # Orders of two a and two b by the pairs in which an a comes later: aabb 0; abab 1; abba, baab 2; baba 3; bbaa 4.
    assert _null_counts(2, 2).tolist() == [1, 1, 2, 1, 1]
    assert _null_counts(1, 3).tolist() == [1, 1, 1, 1]
    # Of 252 orders of five and five, 1, 1, 2, 3 have U = 0, 1, 2, 3. Up to 2: 4 / 252 = 1.6 %; up to 3: 2.8 %.
    # So three pairs may be cut off on each side at 95 %, which needs at most 2.5 %.
    assert _null_counts(5, 5)[:4].tolist() == [1, 1, 2, 3]
    assert _depth(5, 5, 0.95) == 3


def test_mann_whitney_by_hand() -> None:
    # All of three below all of three: U = 0, as does its mirror, of 20 orders: p = 0.1.
    test = mann_whitney([1, 2, 3], [4, 5, 6])
    assert (test.u, test.p_value, test.samples) == (0, pytest.approx(0.1), (3, 3))
    # Ratios 1/4 1/5 1/6 2/4 2/5 2/6 3/4 3/5 3/6: sorted, the fifth is 2/5. Not even all of them bound it at 95 %.
    assert test.ratio == pytest.approx((0.4, NAN, NAN), nan_ok=True)
    # At 90 % the outermost ones do.
    assert mann_whitney([1, 2, 3], [4, 5, 6], level=0.9).ratio == pytest.approx((0.4, 1 / 6, 3 / 4))
    assert mann_whitney([2, 4], [1, 2]).ratio.value == 2  # of 2, 1, 4, 2
    # Of 4 and 1 their geometric mean, so that B stands to A as 1/2.
    assert (mann_whitney([4], [1, 4]).ratio.value, mann_whitney([1, 4], [4]).ratio.value) == (2, 0.5)


def _verdict(a: ArrayLike, b: ArrayLike, smallest_effect: float = 0.05) -> str:
    test = mann_whitney(a, b)
    return test.verdict(test.p_value, smallest_effect)


def test_equal_samples_show_no_difference() -> None:
    assert mann_whitney([1.0] * 10, [1.0] * 10).p_value == 1
    assert _verdict([1.0] * 10, [1.0] * 10) == "no difference that matters"
    # Of two times 1 nothing may be said.
    assert _verdict([1.0], [1.0]) == "not significant"


def test_verdicts_know_four_cases() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(1, 0.02, 60)
    trifling = rng.normal(1.02, 0.005, 60), rng.normal(1, 0.005, 60)
    assert _verdict(rng.normal(1.2, 0.02, 60), base) == "higher"
    assert _verdict(rng.normal(0.8, 0.02, 60), base) == "lower"
    assert _verdict(rng.normal(1, 0.5, 10).clip(0.2), rng.normal(1, 0.5, 10).clip(0.2)) == "not significant"
    assert _verdict([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]) == "not significant"
    assert _verdict(*trifling) == "no difference that matters"
    assert mann_whitney(*trifling).p_value < 0.05, "the difference is real, and below the 5 % that matter"
    assert _verdict(*trifling, smallest_effect=0.01) == "higher"


def test_the_detectable_ratio_by_hand() -> None:
    # A spread of 0.05 in the logarithm: 2.80158 of it at 5 %, as exp(0.140) - 1 = 15.0 %.
    half = 1.959964 * 0.05
    test = RatioTest(Interval(1.0, np.exp(-half), np.exp(half)), 1.0)
    assert test.detectable() == pytest.approx(np.expm1(0.140079), abs=1e-4)


def test_missed_targets_are_larger_than_any_time() -> None:
    test = mann_whitney([1, 2, INF], [3, 4, INF], level=0.9)
    # 1 and 2 are below all three; infinity is above two and ties with one.
    assert test.u == 2.5
    assert test.ratio.high == INF
    assert mann_whitney([INF, INF], [INF, INF]).ratio.value == 1


@settings(deadline=None)
@given(st.lists(positive, min_size=4, max_size=8, unique=True), st.lists(positive, min_size=4, max_size=8, unique=True))
def test_the_interval_of_the_ratio_agrees_with_the_test(a: list[float], b: list[float]) -> None:
    test = mann_whitney(a, b)
    if not set(a) & set(b) and min(abs(x / y - 1) for x in a for y in b) > 1e-9:
        excludes_one = test.ratio.low > 1 or test.ratio.high < 1
        assert excludes_one == (test.p_value <= 0.05)
    assert test.p_value == mannwhitneyu(a, b).pvalue
    swapped = mann_whitney(b, a).ratio
    assert (1 / swapped.high, 1 / swapped.low) == pytest.approx((test.ratio.low, test.ratio.high))


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: median_interval([[1, 2]]), "not an array of 2 dimensions"),
        (lambda: median_interval(["a"]), "samples must be a list of numbers"),
        (lambda: median_interval([1, 2], 95.0), "as 0.95 is, not 95"),
        (lambda: probability_of_improvement([1, 2], [1], ["a"], ["a"]), "2 samples need a stratum each, and 1 are"),
        (lambda: probability_of_improvement([1], [1], ["p"], ["q"]), "one side only has samples of p, q"),
        (lambda: probability_of_improvement([], []), "there are no samples"),
        (lambda: mann_whitney([], [1]), "A has no sample"),
        (lambda: mann_whitney([1], [NAN]), "above 0, and B has nan"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_sentence(call: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


# Shares of trials


def test_a_share_of_trials_by_hand() -> None:
    # None of 20: the bound solves (1 - p)²⁰ = 0.025, and all of 20 are its mirror.
    assert proportion_interval(0, 20) == pytest.approx((0, 0, 1 - 0.025 ** (1 / 20)))
    assert proportion_interval(20, 20) == pytest.approx((1, 0.025 ** (1 / 20), 1))
    # One of 2: the upper bound solves p² = 0.975.
    assert proportion_interval(1, 2) == pytest.approx((0.5, 1 - 0.975**0.5, 0.975**0.5))
    assert proportion_interval(0, 0) == pytest.approx((NAN, NAN, NAN), nan_ok=True)
    with pytest.raises(BadInput, match="3 of 2 trials"):
        proportion_interval(3, 2)
