"""Test two groups of configurations by permutation, if a configuration is compared with several others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from moebench.errors import BadInput
from moebench.statistics.intervals import Floats

MOST_ORDERS = 20_000
"""Ways to divide seeds up to which all are counted; beyond, random ways are drawn."""
DRAWN = 9_999
"""Random orders to draw. With the observed order they are 10,000, so that no p-value is 0."""


@dataclass(frozen=True)
class Configuration:
    """The outcomes of one configuration over its seeds."""

    values: Floats
    """float[seeds]"""
    seeds: Sequence[int]
    """The number of each outcome's seed."""


def joint_permutation_test(
    ours: Sequence[Configuration], theirs: Sequence[Configuration], pairs: Sequence[tuple[int, int]]
) -> tuple[float, float]:
    """Test whether outcomes of our configurations rank above those of the configurations they are paired with.

    Configurations that pairs connect are ranked together, and each of their outcomes is permuted once, whatever the
    number of its pairs. The p-value is the larger of two: that of permuted outcomes, which is exact if outcomes are
    independent, and that of permuted seeds, which moves all outcomes of a seed on one side together and is exact if a
    seed moves them alike.

    Args:
        ours: our configurations.
        theirs: the configurations to compare with.
        pairs: positions in `ours` and in `theirs`.

    Returns:
        The mean over pairs of the difference of mean ranks, below 0 if ours are lower, and the two-sided p-value.

    Raises:
        BadInput: there is no pair.
    """
    if not pairs:
        raise BadInput("there is no pair of configurations to compare.")
    groups = _connected(pairs)
    scores: dict[tuple[int, int], float] = {}
    apart, outcomes = 0.0, []
    for group in groups:
        sides = [(side, member) for side in (0, 1) for member in sorted({pair[side] for pair in group})]
        found = [(ours, theirs)[side][member] for side, member in sides]
        uses = [sum(pair[side] == member for pair in group) for side, member in sides]
        ranks = _centred_ranks(np.concatenate([each.values for each in found]))
        weights = np.concatenate(
            [
                np.full(len(each.values), use * (1 - 2 * side))
                for each, use, (side, _) in zip(found, uses, sides, strict=True)
            ]
        )
        owners = [(side, seed) for each, (side, _) in zip(found, sides, strict=True) for seed in each.seeds]
        for owner, score in zip(owners, np.abs(weights) * ranks, strict=True):
            scores[owner] = scores.get(owner, 0.0) + float(score)
        means = dict(zip(sides, _means(ranks, [len(each.values) for each in found]), strict=True))
        apart += sum(means[0, i] - means[1, j] for i, j in group)
        outcomes.append((ranks, weights))
    by_seed = _divided(scores)
    p_value = by_seed if len(pairs) == 1 else max(by_seed, _permuted(outcomes))
    return apart / len(pairs), p_value


def _connected(pairs: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Return the pairs in groups that share no configuration."""
    groups: list[list[tuple[int, int]]] = []
    for pair in pairs:
        near = [group for group in groups if any(pair[0] == i or pair[1] == j for i, j in group)]
        groups = [group for group in groups if group not in near] + [
            [pair for group in near for pair in group] + [pair]
        ]
    return groups


def _centred_ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata  # takes long to import

    ranks: Floats = rankdata(values) - (len(values) + 1) / 2
    return ranks


def _means(ranks: Floats, counts: Sequence[int]) -> list[float]:
    ends = np.cumsum(counts)
    return [float(ranks[end - count : end].mean()) for end, count in zip(ends, counts, strict=True)]


def _divided(scores: dict[tuple[int, int], float]) -> float:
    """Return the p-value over all ways to divide the seeds of both sides, or over many random ways."""
    values = np.array(list(scores.values()))
    values = values - values.mean()
    first = np.array([side == 0 for side, _ in scores])
    count, observed = int(first.sum()), abs(float(values[first].sum()))
    if comb(len(values), count) <= MOST_ORDERS:
        sums = values[np.array(list(combinations(range(len(values)), count)))].sum(axis=1)
        return float((np.abs(sums) >= observed - 1e-9).mean())
    rng = np.random.default_rng(0)
    drawn = rng.permuted(np.tile(values, (DRAWN, 1)), axis=1)[:, :count].sum(axis=1)
    return _of_drawn(drawn, observed)


def _permuted(groups: Sequence[tuple[Floats, Floats]]) -> float:
    """Return the p-value over random orders of the outcomes within each group.

    Args:
        groups: for each group the ranks of its outcomes and their weights.
    """
    rng = np.random.default_rng(0)
    total = np.zeros(DRAWN)
    for ranks, weights in groups:
        total += rng.permuted(np.tile(ranks, (DRAWN, 1)), axis=1) @ weights
    return _of_drawn(total, abs(sum(float(ranks @ weights) for ranks, weights in groups)))


def _of_drawn(drawn: NDArray[np.float64], observed: float) -> float:
    """Return the p-value of drawn orders; the observed order is one of the orders."""
    return float(((np.abs(drawn) >= observed - 1e-9).sum() + 1) / (len(drawn) + 1))
