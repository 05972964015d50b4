"""Corrections for many comparisons, by hand and against published tables."""

import numpy as np
import pytest

from moebench.statistics import holm, tukey_critical


def test_holm_by_hand() -> None:
    # 4 · 0.01, 3 · 0.02, then 2 · 0.03 = 0.06 which equals the one before, and 0.9.
    assert holm([0.02, 0.9, 0.01, 0.03]) == pytest.approx([0.06, 0.9, 0.04, 0.06])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_what_has_no_p_value_counts_for_nothing() -> None:
    found = holm([0.02, np.nan, 0.04])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(found[1])


def test_the_studentised_range_agrees_with_its_tables() -> None:
    # Tables print q of 5 % for 3 groups and 10 freedoms as 3.877, for 10 groups and 20 freedoms as 5.008.
    assert tukey_critical(3, 10) * 2**0.5 == pytest.approx(3.877, abs=1e-3)
    assert tukey_critical(10, 20) * 2**0.5 == pytest.approx(5.008, abs=1e-3)
    # Two groups are Student's t.
    assert tukey_critical(2, 8) == pytest.approx(2.306, abs=1e-3)
