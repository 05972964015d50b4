"""The signed-rank test of paired samples: numbers worked by hand, coverage by simulation, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moebench.errors import BadInput
from moebench.statistics import signed_rank

SETS = 2_000


def test_three_pairs_by_hand() -> None:
    # Logarithms to base 2: 1, 4, -2. Ranks of their sizes 1, 3, 2, so W = 1 + 3 = 4. Means of any two, and of one with
    # itself: -2, -0.5, 1, 1, 2.5, 4, their median 1, a ratio of 2. Of 8 choices of signs W is at least 4 in 3, W at
    # most 2 in 3 as well: p = 6 / 8. Three pairs find nothing at 95 %.
    test = signed_rank([2, 16, 0.25])
    assert (test.w, test.samples) == (4, 3)
    assert test.ratio.value == pytest.approx(2)
    assert test.p_value == pytest.approx(0.75)
    assert np.isnan([test.ratio.low, test.ratio.high]).all()


def test_six_pairs_are_the_fewest_that_find_anything() -> None:
    # All six above 1: p = 2 / 64. P(W = 0) = 1/64 is below 0.025 and P(W <= 1) = 2/64 above: the bounds are the
    # smallest and the largest of the means, which are the smallest and the largest ratio.
    test = signed_rank([1.1, 1.2, 1.3, 1.4, 1.5, 1.6])
    assert test.p_value == pytest.approx(2 / 64)
    assert (test.ratio.low, test.ratio.high) == pytest.approx((1.1, 1.6))
    assert signed_rank([1.1, 1.2, 1.3, 1.4, 1.5]).p_value == pytest.approx(2 / 32)


def test_pairs_without_a_difference_are_no_difference() -> None:
    test = signed_rank([1.0] * 9)
    assert (test.p_value, test.w) == (1.0, 22.5)
    assert test.ratio == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("n", [8, 20, 40])
def test_the_interval_covers_what_it_promises(n: int) -> None:
    # Heavy tails, as on a shared machine.
    sets = np.exp(0.1 * np.random.default_rng(n).standard_t(2, (SETS, n)) + 0.05)
    ratios = [signed_rank(pairs).ratio for pairs in sets]
    covered = np.mean([low <= np.exp(0.05) <= high for _, low, high in ratios])
    assert 0.93 <= covered <= 0.97


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 10).filter(lambda x: abs(x - 1) > 1e-6), min_size=6, max_size=12, unique=True))
def test_the_interval_agrees_with_the_test_and_turns_over(ratios: list[float]) -> None:
    test, turned = signed_rank(ratios), signed_rank([1 / ratio for ratio in ratios])
    assert (1 / turned.ratio.high, 1 / turned.ratio.low) == pytest.approx((test.ratio.low, test.ratio.high))
    sizes = np.abs(np.log(ratios))
    if np.diff(np.sort(sizes)).min() > 1e-9:  # with ties in size the p-value is only nearly exact
        assert turned.p_value == pytest.approx(test.p_value)
        assert (test.ratio.low > 1 + 1e-12 or test.ratio.high < 1 - 1e-12) == (test.p_value <= 0.05)


@pytest.mark.parametrize(
    ("ratios", "message"), [([], "no pair of samples"), ([1, 0], "one is 0"), ([np.nan], "one is nan")]
)
def test_what_has_no_answer_is_refused(ratios: list[float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        signed_rank(ratios)
