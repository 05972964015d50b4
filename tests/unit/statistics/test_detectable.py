"""What a test can find."""

import numpy as np
import pytest

from moebench.errors import BadInput
from moebench.statistics import power, seeds_needed, smallest_detectable


def test_of_a_normal_estimate_by_hand() -> None:
    # 1.95996 + 0.84162 standard errors; the other tail adds nothing.
    assert smallest_detectable(2.0, np.inf) == pytest.approx(2 * 2.80158, abs=1e-3)
    assert power(2.80158, 1.0, np.inf) == pytest.approx(0.8, abs=1e-4)
    assert power(0.0, 1.0, np.inf) == pytest.approx(0.05)
    assert power(-2.80158, 1.0, np.inf) == power(2.80158, 1.0, np.inf)


@pytest.mark.parametrize("freedom", [1, 2, 4, 10, 32, 1e4])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_what_is_detectable_has_its_power(freedom: float, level: float) -> None:
    found = smallest_detectable(0.3, freedom, level)
    assert power(found, 0.3, freedom, level) == pytest.approx(0.8, abs=1e-4)


def test_power_against_a_simulation() -> None:
    rng = np.random.default_rng(0)
    t = (rng.normal(3.0, 1, 40_000)) / np.sqrt(rng.chisquare(4, 40_000) / 4)
    assert power(3.0, 1.0, 4) == pytest.approx((np.abs(t) > 2.7764).mean(), abs=0.01)


def test_without_an_error_nothing_is_known() -> None:
    assert np.isnan(smallest_detectable(float("nan"), 3))
    assert np.isnan(power(1.0, float("nan"), 3))
    assert power(1.0, 0.0, 3) == 1


def test_the_fewest_seeds_that_do() -> None:
    def error_of(seeds: int) -> tuple[float, float]:
        return 1 / seeds**0.5, seeds - 1.0

    found = seeds_needed(1.5, error_of)
    assert found is not None
    assert power(1.5, *error_of(found)) >= 0.8 > power(1.5, *error_of(found - 1))
    # The test images leave an error that no seed removes.
    assert seeds_needed(1.5, lambda seeds: (1.0, 1e6)) is None
    with pytest.raises(BadInput, match="above 0, not -1"):
        seeds_needed(-1, error_of)
