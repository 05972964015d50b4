"""Permutation tests of paired configurations, against ways counted by hand."""

import numpy as np
import pytest

from moebench.errors import BadInput
from moebench.statistics import Configuration, joint_permutation_test


def over(*values: float, first: int = 0) -> Configuration:
    """A configuration whose seeds count from `first`."""
    return Configuration(np.array(values), range(first, first + len(values)))


def test_one_pair_by_hand() -> None:
    # Ranks 1, 2 and 4 against 3, 5 and 6: means 7/3 and 14/3. Of 20 ways to choose three ranks, 4 have a sum of at most
    # 7 or at least 14: {1,2,3}, {1,2,4} and their mirror images {4,5,6}, {3,5,6}.
    apart, p_value = joint_permutation_test([over(1, 2, 4)], [over(3, 5, 6)], [(0, 0)])
    assert (apart, p_value) == (pytest.approx(-7 / 3), pytest.approx(4 / 20))
    # Two seeds against three: of 10 ways {1,2} and {4,5} lie farthest out.
    assert joint_permutation_test([over(1, 2)], [over(7, 8, np.inf)], [(0, 0)])[1] == pytest.approx(2 / 10)
    assert joint_permutation_test([over(1, 1)], [over(1, 1)], [(0, 0)]) == (0, 1)


def test_a_shared_configuration_is_permuted_once() -> None:
    # Eight outcomes below two: with the seeds divided, 2 of 6 ways.
    ours = [over(1, 2), over(1, 2), over(1, 2), over(1, 2)]
    apart, p_value = joint_permutation_test(ours, [over(3, 3)], [(place, 0) for place in range(4)])
    # Ranks 1 to 4 tie at 2.5, 5 to 8 at 6.5, and 9 and 10 at 9.5.
    assert (apart, p_value) == (pytest.approx(4.5 - 9.5), pytest.approx(2 / 6))


def test_pairs_without_a_shared_configuration_share_their_seeds() -> None:
    ours, theirs = [over(1, 2, 3)] * 2, [over(4, 5, 6)] * 2
    # Not 2 of 20 × 20 ways, which would take one seed on two models for two seeds.
    assert joint_permutation_test(ours, theirs, [(0, 0), (1, 1)])[1] == pytest.approx(2 / 20)


def test_no_drawn_p_value_is_zero() -> None:
    low, high = np.zeros(12), np.ones(12)
    # Of 2,704,156 ways 2 are as far apart, and none of 9,999 drawn ones.
    found = joint_permutation_test([Configuration(low, range(12))], [Configuration(high, range(12))], [(0, 0)])
    assert found[1] == pytest.approx(1 / 10_000)


def test_no_pair() -> None:
    with pytest.raises(BadInput, match="no pair"):
        joint_permutation_test([over(1)], [over(2)], [])
