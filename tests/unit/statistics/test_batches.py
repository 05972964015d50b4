"""Many intervals at once are those of each set by itself."""

import numpy as np
import pytest

from moebench.statistics import mean_interval
from moebench.statistics.batches import mean_intervals


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_each_is_what_the_set_has_by_itself(n: int) -> None:
    samples = np.random.default_rng(n).normal(0.9, 0.01, (7, n))
    samples[0] = 0.5  # equal samples: an interval without width
    together = np.transpose(mean_intervals(samples))
    alone = [mean_interval(row) if n > 1 else (row[0], np.nan, np.nan) for row in samples]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_what_is_not_a_number_stays_alone() -> None:
    mean, low, high = mean_intervals(np.array([[1.0, np.nan, 1.0], [1.0, 2.0, 3.0]]))
    assert np.isnan([mean[0], low[0], high[0]]).all()
    # 1, 2 and 3 by hand: symmetric about their mean.
    assert (mean[1], high[1] - 2) == (2.0, pytest.approx(2 - low[1]))


def test_no_set_has_no_interval() -> None:
    assert [len(part) for part in mean_intervals(np.empty((0, 3)))] == [0, 0, 0]
