"""Contrasts over pools that share seeds and images, against numbers worked by hand and simulated ones."""

import numpy as np
import pytest

from moebench.statistics import Crossed, ImageCovariance, contrast_across

DIFFERENCE = np.array([1.0, -1.0]) / 2
"""The part of a pool of two cells in the mean difference over two pools."""


def _terms(*parts: np.ndarray) -> list[np.ndarray]:
    """Weights of pools, a term for each."""
    return [np.eye(len(parts))[:, [place]] * part for place, part in enumerate(parts)]


def test_two_families_are_judged_by_the_mean_difference_of_each_seed() -> None:
    one = Crossed(np.array([[0.94, 0.95, 0.96], [0.90, 0.92, 0.91]]), families=["soft", "dense"])
    other = Crossed(np.array([[0.50, 0.52, 0.57], [0.45, 0.50, 0.49]]), families=["soft", "dense"])
    found = contrast_across([one, other], _terms(DIFFERENCE, DIFFERENCE), None)
    # 0.04, 0.03, 0.05 and 0.05, 0.02, 0.08: on average 0.045, 0.025 and 0.065, whose variance is 0.02².
    assert (found.value, found.seeds) == (pytest.approx(0.045), 3)
    assert tuple(found.by_seed) == pytest.approx((0.02**2, 2))
    assert found.error == pytest.approx(0.02 / 3**0.5)
    assert found.by_image is None


def test_an_image_that_all_pools_share_counts_once() -> None:
    # Of 100 images soft has 10 right that dense has wrong, under every seed and at both sizes.
    ours, theirs = np.ones((3, 100)), np.ones((3, 100))
    theirs[:, :10] = 0
    tables = [Crossed(np.array([ours.mean(axis=1), theirs.mean(axis=1)]), families=["soft", "dense"])] * 2
    images = ImageCovariance.from_values([ours, theirs] * 2, ["test"] * 4)
    found = contrast_across(tables, _terms(DIFFERENCE, DIFFERENCE), images)
    # The variance of 10 ones among 100 numbers, over 100: 0.09 / 99, and not half of it for two sizes.
    assert found.by_image == pytest.approx(0.09 / 99)
    apart = ImageCovariance.from_values([ours, theirs] * 2, ["test", "test", "other", "other"])
    half = contrast_across(tables, _terms(DIFFERENCE, DIFFERENCE), apart)
    assert half.by_image == pytest.approx(0.09 / 99 / 2)


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_false_positives_of_three_pools(shared: float) -> None:
    rng = np.random.default_rng(4)
    scales, families = (1.0, 2.0, 1.0), ["soft", "dense", "bpr", "hash"]
    weights = np.array([1.0, -1.0, 0, 0]) / 3
    false = 0
    for _ in range(100):
        effects = shared**0.5 * rng.normal(size=(4, 3))
        tables = [
            Crossed(scale * (effects + (1 - shared) ** 0.5 * rng.normal(size=(4, 3))), families=families)
            for scale in scales
        ]
        false += contrast_across(tables, _terms(weights, weights, weights), None).p_value() < 0.05
    # 5 % are due, and 11 of 100 would come by chance in 1 of 90; pools taken for independent give 20 if 0.9 is shared.
    assert false < 11
    # A difference of four standard errors is found.
    found = 0
    for _ in range(40):
        tables = [
            Crossed(rng.normal(size=(4, 3)) + np.array([[4 * (2 / 9) ** 0.5], [0], [0], [0]]), families=families)
            for _ in scales
        ]
        found += contrast_across(tables, _terms(weights, weights, weights), None).p_value() < 0.05
    assert found >= 30
