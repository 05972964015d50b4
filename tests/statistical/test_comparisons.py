"""False positives of families of comparisons stay at 5 %, and true differences are found: simulated suites.

The simulated cells are those of `simulated_cells`: 97 % accuracy, images of individual difficulty, seeds that move the
accuracy of a cell on all images alike by 0.3 points.
"""

import numpy as np
import pytest
from simulated_cells import correct

from moebench.statistics import (
    Configuration,
    Crossed,
    ImageCovariance,
    holm,
    joint_permutation_test,
    trend,
    tukey_critical,
)

AGAINST_DENSE = np.hstack([-np.ones((5, 1)), np.eye(5)])
"""Five claims: each of five routers against the dense model."""


def _table(right: np.ndarray, *, by_image: bool = True) -> Crossed:
    images = ImageCovariance.from_values([cell.astype(float) for cell in right], ["test"] * len(right))
    return Crossed(right.mean(axis=2), images if by_image else None, step=1 / right.shape[2])


def _shown(sets: int, gains: np.ndarray, *, by_image: bool = True, **simulation: object) -> np.ndarray:
    """Return which of five claims are significant after Holm's correction, bool[sets, claims]."""
    found = []
    for right in correct(sets, gains, **simulation):
        table = _table(right, by_image=by_image)
        found.append(holm([table.contrast(weights).p_value() for weights in AGAINST_DENSE]) < 0.05)
    return np.array(found)


@pytest.mark.parametrize(
    "simulation",
    [
        {},
        {"seed_deviation": 0.0},
        {"shared_deviation": 0.006},
        {"interaction": 1.0},
        {"images": 360},
        {"images": 360, "seeds": 2},
        {"seed_deviation": 0.01, "seeds": 5, "images": 500},
    ],
    ids=str,
)
def test_five_claims_without_a_difference(simulation: dict[str, float]) -> None:
    # 5 % are due; of 300 suites 25 or more would come by chance in 1 of 100.
    assert _shown(300, np.zeros(6), **simulation).any(axis=1).sum() < 25


def test_one_point_is_found_in_60_percent() -> None:
    shown = _shown(250, np.array([0, *[0.01] * 5]))
    assert shown.mean() >= 0.6
    # Pairing by seed alone finds as much only where single images do little.
    assert _shown(250, np.array([0, *[0.01] * 5]), by_image=False).mean() <= shown.mean() + 0.02
    # Alone among four claims that do not hold it must pass the strictest step of Holm's.
    alone = _shown(250, np.array([0, 0.01, 0, 0, 0, 0]))
    assert alone[:, 0].mean() >= 0.35
    assert alone[:, 1:].any(axis=1).mean() <= 0.08


def test_intervals_cover_new_seeds_and_new_images() -> None:
    # Each simulated suite draws seeds, images and how single cells take to single images anew.
    covered = []
    for right in correct(300, np.array([0, 0.005, 0, 0]), interaction=1.0, rng=1):
        _, low, high = _table(right).contrast(np.array([-1.0, 1, 0, 0])).interval()
        covered.append(low <= 0.005 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_two_cells_alone() -> None:
    for deviation in (0.0, 0.003, 0.006):
        p_values = [
            _table(right).contrast(np.array([-1.0, 1])).p_value()
            for right in correct(400, np.zeros(2), seed_deviation=deviation, rng=2)
        ]
        # 5 % are due; 32 of 400 would come by chance in 1 of 150.
        assert (np.array(p_values) < 0.05).sum() < 32


def test_a_router_that_scatters_three_times_as_much() -> None:
    deviation = np.array([0.003, 0.009, *[0.003] * 4])
    assert _shown(300, np.zeros(6), seed_deviation=deviation).any(axis=1).sum() < 30


ROUTERS = ["dense", *(router for router in "abcd" for _ in range(4))]
"""A suite of 17 cells: dense, and four routers with four numbers of experts."""


def _suites(sets: int, router_deviation: float, seeds: int = 3, rng: int = 0) -> "list[np.ndarray]":
    """Accuracies of suites without any difference, float[17, seeds], where seeds move cells, routers and all alike."""
    generator = np.random.default_rng(rng)
    family = np.unique(ROUTERS, return_inverse=True)[1]
    return [
        generator.normal(size=(17, seeds))
        + router_deviation * generator.normal(size=(5, seeds))[family]
        + generator.normal(size=seeds)
        for _ in range(sets)
    ]


@pytest.mark.parametrize("router_deviation", [0.0, 0.5, 1.0])
def test_routers_pooled_over_their_cells(router_deviation: float) -> None:
    mean = np.zeros(17)
    mean[1:5], mean[5:9] = 0.25, -0.25
    tables = [Crossed(values, families=ROUTERS) for values in _suites(1000, router_deviation)]
    assert np.mean([table.contrast(mean).p_value() < 0.05 for table in tables]) <= 0.065
    one = np.zeros(17)
    one[:2] = -1, 1
    assert np.mean([table.contrast(one).p_value() < 0.05 for table in tables]) <= 0.065


def test_taking_the_cells_of_a_router_for_independent_would_not_do() -> None:
    mean = np.zeros(17)
    mean[1:5], mean[5:9] = 0.25, -0.25
    p_values = [Crossed(values).contrast(mean).p_value() for values in _suites(500, 1.0)]
    assert np.mean(np.array(p_values) < 0.05) > 0.1


def test_of_all_pairs_none_is_told_apart_in_19_of_20_suites() -> None:
    found = 0
    for values in _suites(500, 0.0):
        table = Crossed(values)
        gaps = table.against(int(values.mean(axis=1).argmax()))
        found += (np.abs(gaps.t) > tukey_critical(17, table.variances.interaction.freedom)).any()
    # 5 % are due; 37 of 500 would come by chance in 1 of 100.
    assert found < 37


def test_points_over_dense_hold_together() -> None:
    # 16 intervals at 1 - 5 % / 16; each for itself, one of them excludes 0 in half of the suites.
    wrong, alone = 0, 0
    for values in _suites(500, 0.0, rng=1):
        gaps = Crossed(values).against(0)
        wrong += (gaps.p_values[1:] * 16 < 0.05).any()
        alone += (gaps.p_values[1:] < 0.05).any()
    assert wrong < 37
    assert alone > 175


@pytest.mark.parametrize("bend", [0.0, 1.0], ids=["line", "levels of their own"])
def test_trends_without_a_rise(bend: float) -> None:
    # `bend`: how far a level lies from the line for every seed, in units of the scatter over seeds.
    rng = np.random.default_rng(4)
    rising = 0
    for _ in range(1000):
        values = rng.normal(size=(16, 3)) + bend * rng.normal(size=(16, 1)) + rng.normal(size=3)
        table = Crossed(values, families=["a"] * 4 + ["b"] * 4 + ["c"] * 4 + ["d"] * 4)
        rising += trend(table, [1, 2, 3, 4], np.eye(16)[:4]).slope.p_value() < 0.05
    # A lack of fit is not always found: with deviations as large as the scatter 13 % are taken for a trend.
    assert rising / 1000 <= (0.065 if not bend else 0.16)


def test_a_rise_is_found_more_often_than_through_the_means_of_levels() -> None:
    # A rise by one deviation over seeds at each doubling; 2 freedoms, those of the four means, would find it in 40 %.
    rng = np.random.default_rng(5)
    found = []
    for _ in range(400):
        values = rng.normal(scale=0.6, size=(16, 3))
        values[:4] += np.arange(4)[:, None] * 0.6
        found.append(trend(Crossed(values), [1, 2, 3, 4], np.eye(16)[:4]).slope.p_value() < 0.05)
    assert np.mean(found) >= 0.8


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["independent", "one effect of a seed for all"])
def test_divergence_of_four_configurations_beside_one(shared: float) -> None:
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(120):
        effects = rng.normal(size=(2, 4))

        def rates(side: int, effects: np.ndarray = effects) -> Configuration:
            hidden = shared**0.5 * effects[side] + (1 - shared) ** 0.5 * rng.normal(size=4)
            return Configuration(np.digitize(hidden, [-0.7, 0, 0.7]).astype(float), range(4))

        ours = [rates(0) for _ in range(4)]
        false += joint_permutation_test(ours, [rates(1)], [(place, 0) for place in range(4)])[1] < 0.05
    # 5 % are due; 13 of 120 would come by chance in 1 of 100.
    assert false < 13
