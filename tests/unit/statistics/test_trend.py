"""Lines through the seeds' values, against numbers worked by hand."""

import numpy as np
import pytest

from moebench.errors import BadInput
from moebench.statistics import Crossed, trend

LEVELS = np.eye(4)


def test_a_line_by_hand() -> None:
    # Means 1, 2, 3, 4 at 1, 2, 3, 4: a slope of 1. The rest after seeds and levels: ±1/2 in all of 8 places less the
    # seeds' mean of 0, 2 in squares over 3 freedoms. The slope's variance is 2/3 over Σ(x - 2.5)² = 5, over 2 seeds.
    table = Crossed(np.array([[0.5, 1.5], [2.5, 1.5], [2.5, 3.5], [4.5, 3.5]]))
    found = trend(table, [1, 2, 3, 4], LEVELS)
    assert found.slope.value == pytest.approx(1)
    assert (found.slope.error, found.slope.freedom) == pytest.approx((np.sqrt(2 / 3 / 5 / 2), 3))
    assert (found.levels, found.lack_of_fit, found.is_line) == (4, pytest.approx(1), True)


def test_levels_that_miss_the_line_make_its_error() -> None:
    # 0, 3, 0, 3 about the line 0.6 + 0.6 (x - 1): distances -0.6, 1.8, -1.8, 0.6 of 7.2 in squares over 2 freedoms.
    values = np.array([0.0, 3, 0, 3])[:, None] + 1e-3 * np.array([[1, -1], [-1, 1], [1, -1], [-1, 1]])
    found = trend(Crossed(values), [1, 2, 3, 4], LEVELS)
    assert found.slope.value == pytest.approx(0.6)
    assert not found.is_line
    assert (found.slope.error, found.slope.freedom) == pytest.approx((np.sqrt(3.6 / 5), 2), rel=1e-3)


def test_a_curve_that_rises_at_every_step_goes_by_its_seeds() -> None:
    # 0, 9, 12 about the line 1 + 6 (x - 1): distances -1, 2, -1 of 6 in squares over 1 freedom, which alone would give
    # the slope of 6 an error of √(6/2). The rest after seeds and levels is 0.1² × 6 × 2/3 = 0.04 in squares over
    # 4 freedoms; over Σ(x - 2)² = 2 and 3 seeds the error is √(0.01 / 6).
    rest = 0.1 * np.array([[1, -1, 0], [-1, 0, 1], [0, 1, -1]])
    found = trend(Crossed(np.array([0.0, 9, 12])[:, None] + rest), [1, 2, 3], np.eye(3))
    assert not found.is_line
    assert found.steps_agree
    assert found.slope.value == pytest.approx(6)
    assert found.slope.error == pytest.approx(np.sqrt((rest**2).sum() / 4 / 6))
    back = trend(Crossed(np.array([0.0, 9, 8.9])[:, None] + rest), [1, 2, 3], np.eye(3))
    assert not back.steps_agree
    assert back.slope.error > 2


def test_lines_have_one_slope_and_heights_of_their_own() -> None:
    rng = np.random.default_rng(0)
    values = np.array([1.0, 2, 3, 11, 13, 15])[:, None] + 0.01 * rng.normal(size=(6, 3))
    found = trend(Crossed(values), [1, 2, 3, 1, 2, 3], np.eye(6), [0, 0, 0, 1, 1, 1])
    assert found.slope.value == pytest.approx(1.5, abs=0.02)
    assert not found.is_line


def test_a_difference_of_two_lines_is_a_line_of_differences() -> None:
    values = np.array([[0.0, 0.1, 0.2], [1, 1.2, 0.9], [2, 2.1, 2.1], [0, 0.1, 0.1], [3, 3.2, 3.1], [6, 6.0, 6.1]])
    profiles = np.hstack([np.eye(3), -np.eye(3)])
    table = Crossed(values)
    ours, theirs = (trend(table, [1, 2, 3], np.eye(6)[rows]).slope.value for rows in (slice(3), slice(3, 6)))
    assert trend(table, [1, 2, 3], profiles).slope.value == pytest.approx(ours - theirs)


def test_two_levels_make_no_trend() -> None:
    table = Crossed(np.zeros((3, 2)))
    with pytest.raises(BadInput, match="at least 3 levels, and there are 2"):
        trend(table, [1, 2, 2], np.eye(3))


def test_one_seed_tells_no_error() -> None:
    found = trend(Crossed(np.array([[1.0], [2], [4]])), [1, 2, 3], np.eye(3))
    assert np.isnan(found.slope.error)
    assert np.isnan(found.lack_of_fit)
