"""Intervals and verdicts, against numbers worked by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from moebench.errors import BadInput
from moebench.statistics import (
    compare,
    difference_interval,
    geometric_mean,
    holm,
    mann_whitney,
    mean_interval,
    median_coverage,
    median_interval,
    probability_of_improvement,
    proportion_interval,
    scaling_fit,
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
    assert median_coverage(9) == 0.95


def test_few_samples_span_from_the_smallest_to_the_largest_and_say_what_that_covers() -> None:
    assert median_interval([3.0, 1.0, 2.0]) == (2, 1, 3)
    assert median_coverage(3) == 0.75  # 1 - 2 / 8: all three on one side
    assert median_coverage(5) == 0.9375  # 1 - 2 / 32
    assert median_coverage(6) == 0.95  # 1 - 2 / 64 is above
    assert median_coverage(1) == 0


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


def test_the_bootstrap_of_three_seeds_is_widened_to_students_law() -> None:
    # Resampling 0, 0, 3 draws k threes, k binomial with 3 draws of 1/3: no three in 8/27 of resamples, three in
    # 1/27, both above 2.5 %, so the percentiles lie at the means 0 and 3, that is 1 below and 2 above the mean 1.
    # They are moved outwards by sqrt(3/2) for the residuals and t / z = 4.302653 / 1.959964 for the law: 2.688647.
    interval = mean_interval([0, 0, 3])
    assert interval == pytest.approx((1, 1 - 2.688647, 1 + 2 * 2.688647), abs=1e-5)
    assert interval == mean_interval(np.array([0, 0, 3]))
    # A constant has no spread of its own, so the difference moves as the mean did.
    assert difference_interval([0, 0, 3], [1, 1]) == pytest.approx((0, -2.688647, 2 * 2.688647), abs=1e-5)


def test_each_stratum_weighs_the_same_and_is_resampled_by_itself() -> None:
    # Cells 10, 10 and 0, 0, 0, 4: means 10 and 1, so 5.5, though the mean of all samples is 4.
    assert mean_interval([10, 0, 10, 0, 0, 4], list("abbbba")).value == pytest.approx((7 + 2.5) / 2)
    found = mean_interval([10, 0, 10, 0, 0, 4], ["a", "b", "a", "b", "b", "b"])
    assert found.value == 5.5
    # Cell a never moves, so the interval is half as wide as that of b alone.
    alone = mean_interval([0, 0, 0, 4])
    assert found.high - found.low == pytest.approx((alone.high - alone.low) / 2, rel=0.03)


def test_a_mean_without_spread_or_with_one_sample() -> None:
    assert mean_interval([0.9]) == pytest.approx((0.9, NAN, NAN), nan_ok=True)
    assert mean_interval([1, 2, 3], ["a", "a", "b"]) == pytest.approx((2.25, NAN, NAN), nan_ok=True)
    assert mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)
    assert mean_interval([1.0, NAN, 2.0]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)
    assert mean_interval([1.0, INF, 2.0]) == pytest.approx((INF, NAN, NAN), nan_ok=True)


def test_a_geometric_mean_is_the_mean_of_logarithms() -> None:
    # log2 of 1, 1, 8 is 0, 0, 3, worked above: 2 to the power of 1, 1 - 2.688647, 1 + 5.377294.
    expected = (2, 2**-1.688647, 2**6.377294)
    assert geometric_mean([1, 1, 8]) == pytest.approx(expected, rel=1e-4)
    assert geometric_mean([0.5, 2.0, 1.0]).value == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=8), st.floats(0.1, 10), st.floats(-100, 100), st.integers(0, 9)
)
def test_a_mean_interval_moves_and_stretches_with_the_samples(
    samples: list[float], factor: float, shift: float, seed: int
) -> None:
    value, low, high = mean_interval(samples, resamples=500, seed=seed)
    assert low <= value + 1e-9
    assert high >= value - 1e-9
    moved = mean_interval(np.array(samples) * factor + shift, resamples=500, seed=seed)
    assert moved == pytest.approx([bound * factor + shift for bound in (value, low, high)], abs=1e-6, rel=1e-6)


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


# Mann-Whitney, Holm, verdicts


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


def test_missed_targets_are_larger_than_any_time() -> None:
    test = mann_whitney([1, 2, INF], [3, 4, INF], level=0.9)
    # 1 and 2 are below all three; infinity is above two and ties with one.
    assert test.u == 2.5
    assert test.ratio.high == INF
    assert mann_whitney([INF, INF], [INF, INF]).ratio.value == 1


def test_equal_samples_show_no_difference() -> None:
    table = compare({"same": ([1.0] * 10, [1.0] * 10)})
    assert table["p_value"].tolist() == [1]
    assert table["verdict"].tolist() == ["no difference that matters"]
    # Of two times 1 nothing may be said.
    assert compare({"same": ([1.0], [1.0])})["verdict"].tolist() == ["no difference shown"]


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1: 0.03, 0.06, 0.04, the last raised to the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []


def test_verdicts_know_four_cases_and_correct_for_their_number() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(1, 0.02, 60)
    noisy = rng.normal(1, 0.5, 10).clip(0.2)
    pairs = {
        "slower": (rng.normal(1.2, 0.02, 60), base),
        "faster": (rng.normal(0.8, 0.02, 60), base),
        "trifling": (rng.normal(1.02, 0.005, 60), rng.normal(1, 0.005, 60)),
        "unclear": (noisy, rng.normal(1, 0.5, 10).clip(0.2)),
        "few": ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
    }
    table = compare(pairs).set_index("name")
    assert table["verdict"].to_dict() == {
        "slower": "higher",
        "faster": "lower",
        "trifling": "no difference that matters",
        "unclear": "no difference shown",
        "few": "no difference shown",
    }
    assert table["p_value"]["trifling"] < 0.05, "the difference is real, and below the 5 % that matter"
    assert table["few_samples"].to_dict() == dict.fromkeys(pairs, False) | {"few": True}
    assert table["p_corrected"].tolist() == pytest.approx(holm(table["p_value"]).tolist())
    assert compare({"trifling": pairs["trifling"]}, smallest_effect=0.01)["verdict"].tolist() == ["higher"]

    # One p of 0.03 alone is a finding, beside another comparison it is not.
    alone = ([3.0, 5.0, 7.0, 8.0, 9.0], [1.0, 2.0, 2.5, 4.0, 4.5])
    assert compare({"a": alone})["verdict"].tolist() == ["higher"]
    assert compare({"a": alone, "b": alone})["verdict"].tolist() == ["no difference shown"] * 2


def test_nothing_to_compare_is_an_empty_table() -> None:
    assert compare({}).empty
    assert "verdict" in compare({}).columns


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


# Scaling laws


def _levels(x: list[float], y: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"experts": x, "accuracy": y})


def test_a_logarithmic_law_by_hand() -> None:
    # Over log2 x = 0, 1, 2, 3 the values 0, 1, 1, 2: slope 3 / 5, start 1 - 0.6 · 1.5 = 0.1, residuals -0.1, 0.3,
    # -0.3, 0.1, their squares 0.2. Standard error sqrt(0.2 / 2 / 5) = 0.141421, t with 2 degrees 4.302653.
    fit = scaling_fit(_levels([1, 2, 4, 8], [0, 1, 1, 2]), "experts", "accuracy")
    assert fit.slope == pytest.approx((0.6, 0.6 - 0.608487, 0.6 + 0.608487), abs=1e-6)
    assert (fit.intercept, fit.levels, fit.r_squared) == (pytest.approx(0.1), 4, pytest.approx(0.9))
    # At log2 x = 1.5, the centre, the half width is t sqrt(0.1 / 4) = 0.680309.
    band = fit.predict([2**1.5])
    assert band.iloc[0].tolist() == pytest.approx([2**1.5, 1, 1 - 0.680309, 1 + 0.680309], abs=1e-6)


def test_seeds_of_a_level_are_one_point() -> None:
    spread = _levels([1, 1, 2, 2, 4, 4, 8, 8, 8], [-1, 1, 0, 2, 0.5, 1.5, 2, 2, NAN])
    assert scaling_fit(spread, "experts", "accuracy") == scaling_fit(
        _levels([1, 2, 4, 8], [0, 1, 1, 2]), "experts", "accuracy"
    )


def test_a_power_law_is_found_exactly() -> None:
    fit = scaling_fit(_levels([1, 2, 4, 16], [3, 6, 12, 48]), "experts", "accuracy", form="power")
    assert fit.slope == pytest.approx((1, 1, 1))
    assert fit.intercept == pytest.approx(3)
    assert fit.predict([32])["y"].tolist() == pytest.approx([96])


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "there is no sample"),
        (lambda: mean_interval([[1, 2]]), "not an array of 2 dimensions"),
        (lambda: mean_interval(["a"]), "samples must be a list of numbers"),
        (lambda: mean_interval([1, 2], ["a"]), "2 samples need a stratum each, and 1 are given"),
        (lambda: median_interval([1, 2], 95.0), "as 0.95 is, not 95"),
        (lambda: geometric_mean([1, 0]), "needs ratios above 0, and one is 0"),
        (lambda: probability_of_improvement([1], [1], ["p"], ["q"]), "one side only has samples of p, q"),
        (lambda: probability_of_improvement([], []), "there are no samples"),
        (lambda: mann_whitney([], [1]), "A has no sample"),
        (lambda: mann_whitney([1], [NAN]), "above 0, and B has nan"),
        (lambda: compare({"a": ([1], [1])}, smallest_effect=-1.0), "a share such as 0.05, not -1"),
        (lambda: scaling_fit(_levels([1, 2, 4], [1, 2, 3]), "experts", "accuracy"), "at least 4 levels .* are 3"),
        (lambda: scaling_fit(_levels([0, 1, 2, 4], [1] * 4), "experts", "accuracy"), "needs experts above 0"),
        (
            lambda: scaling_fit(_levels([1, 2, 4, 8], [1, 0, 1, 1]), "experts", "accuracy", form="power"),
            "needs accuracy above 0, and it is 0",
        ),
        (lambda: scaling_fit(_levels([1], [1]), "expert", "accuracy"), "unknown column 'expert': did you mean"),
        (lambda: scaling_fit(_levels([1], [1]), "experts", "accuracy", form="powr"), "did you mean 'power'"),
        (
            lambda: scaling_fit(_levels([1, 2, 4, 8], [0, 1, 1, 2]), "experts", "accuracy").predict([0]),
            "above 0 only",
        ),
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
