"""Which cells can be told from the best: by hand, and with false findings counted."""

import numpy as np
import pytest

from moebench.statistics import p_below_best, p_beside, smallest_step, within_step


def test_against_the_best_by_hand() -> None:
    # Means 1, 2 and 4; squares about them 2, 2 and 2 over 6 freedoms: a pooled variance of 1, standard errors of
    # differences sqrt(2/3) = 0.816. t = 3.674 and 2.449 with 6 freedoms: p = 0.0104 and 0.0498.
    samples = np.array([0.0, 1, 2, 1, 2, 3, 3, 4, 5])
    cells = np.repeat([0, 1, 2], 3)
    assert p_below_best(samples, cells, 3) == pytest.approx([0.0104, 0.0498, 1], abs=1e-4)
    # From the first the second is 1 away: t = 1.225, p = 0.267.
    assert p_beside(samples, cells, 3, 0) == pytest.approx([1, 0.2666, 0.0104], abs=1e-4)


def test_a_cell_that_scatters_more_goes_by_its_own_scatter() -> None:
    # Variances 100 and 1 of two cells, pooled 50.5: the difference of 20 has the variance (100 + 50.5) / 3.
    samples, cells = np.array([10.0, 20, 30, -1, 0, 1]), np.repeat([0, 1], 3)
    # t = 20 / sqrt(50.17) = 2.824 with 4 freedoms.
    assert p_below_best(samples, cells, 2)[1] == pytest.approx(0.0477, abs=1e-4)


def test_one_sample_shows_nothing() -> None:
    assert np.isnan(p_below_best(np.array([1.0, 2.0]), np.array([0, 1]), 2)).all()
    found = p_below_best(np.array([1.0, 5.0, 5.1, 3.0, 3.1]), np.array([0, 1, 1, 2, 2]), 3)
    assert np.isnan(found[0])
    assert found[2] < 0.05


def test_equal_values_are_no_certainty_where_values_move_in_steps() -> None:
    # Two seeds each, one step apart: its twelfth is the variance, t = 1 / sqrt(1/12) = 3.46 with 2 freedoms.
    samples, cells = np.array([0.97, 0.97, 0.98, 0.98]), np.array([0, 0, 1, 1])
    assert p_below_best(samples, cells, 2)[0] == pytest.approx(0.0742, abs=1e-4)
    # No step anywhere is no difference anywhere.
    assert p_below_best(np.ones(4), cells, 2).tolist() == [1, 1]


def test_steps_by_hand() -> None:
    assert smallest_step(np.array([0.1, 0.5, 0.4, 0.4])) == pytest.approx(0.1)
    # 0.3 and 0.1 + 0.2 differ by rounding.
    assert smallest_step(np.array([0.3, 0.1 + 0.2])) == 0
    # Of two values v ± s/√24 the variance is 2 · s²/24 = s²/12.
    assert within_step(np.array([0.5, 0.5]), 0.24) == pytest.approx([0.5 - 0.24 / 24**0.5, 0.5 + 0.24 / 24**0.5])
    assert within_step(np.array([0.5, 0.5, 0.5]), 0.1).var(ddof=1) == pytest.approx(0.01 / 12)
    assert within_step(np.array([0.5, 0.6]), 0.1).tolist() == [0.5, 0.6]
    assert within_step(np.array([0.5]), 0.1).tolist() == [0.5]


@pytest.mark.parametrize("scatter", [1.0, 2.0])
def test_of_equal_cells_none_is_told_from_the_best_in_19_of_20_suites(scatter: float) -> None:
    # 17 cells of three seeds, one of which scatters more; 136 pairs.
    rng, cells, found = np.random.default_rng(0), np.repeat(np.arange(17), 3), 0
    for _ in range(1000):
        samples = rng.normal(0, np.repeat([scatter, *[1.0] * 16], 3))
        found += p_below_best(samples, cells, 17).min() * 136 < 0.05
    assert found <= 50
    # A cell that is five standard deviations below the others is.
    samples = rng.normal(0, 1, (1000, 51)) - 5 * (cells == 3)
    assert np.mean([p_below_best(row, cells, 17)[3] * 136 < 0.05 for row in samples]) > 0.9
