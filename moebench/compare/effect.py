"""How cells stand to cells in one metric: the change, its interval, the test, and what it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isnan, log, sqrt

import numpy as np
from numpy.typing import NDArray

from moebench.compare.match import Cell, Pair
from moebench.compare.metrics import COUNTED, PROCESSOR_TIMES, TIMED
from moebench.reports.analysis.cells import listed
from moebench.reports.quantities import quantity
from moebench.statistics import (
    FEW_SAMPLES,
    Interval,
    RatioTest,
    contrast_interval,
    contrast_p_value,
    geometric_mean_test,
    mann_whitney,
    probability_of_improvement,
    pseudo_median,
    signed_rank,
    smallest_step,
    within_step,
)

OVER_SEEDS = "Welch's t over seeds"
EQUAL_OR_NOT = "counted, not sampled"
_UNPAIRED, _PAIRED = "Mann-Whitney", "signed rank against the dense twin"
FEWEST_SEEDS = 2

_CONTAMINATED = 0.1
"""What others had of the processors from which on wall-clock is no longer a program's own."""
_SCATTER, _SCATTER_SHARED, _SCATTER_SECONDS = 0.01, 0.03, 0.02
"""Standard deviation of the log of a time between one timing of a program and the next: of a ratio to the dense twin on
a machine of its own; what is added to it as other processes come to take all of the processors; and of seconds."""
_TWO_MODES = 0.25
"""How far apart the outer tenths of the log samples of a timing on shared processors are when it has two modes, one of
them slow, and it is chance how many samples are of which. Seen in 15 timings of one cell while others had 60 to 80 % of
two processors: 12 lay within 2 % of their middle, 0.09 to 0.16 apart; three lay 14 to 22 % above it, 0.36 to 0.42."""
_LEVEL, _RESAMPLES = 0.95, 10_000

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """Of A against B."""

    change: Interval
    """A over B less 1 for times, else A less B."""
    p_value: float
    """How probable such a change is without a difference; NaN of what is counted."""
    improvement: Interval
    """Probability that a sample, or a seed, of A is better than one of B."""
    test: str
    a: Samples
    b: Samples
    ratio: RatioTest | None = None
    """Of times, the test that the change comes from."""
    on_processor_time: bool = False

    @property
    def levels(self) -> tuple[float, float]:
        """Where A and B lie, which agrees with the change: means; of times what the test takes for their middle."""
        if self.ratio is None:
            return float(self.a.mean()), float(self.b.mean())
        ratio = self.ratio.ratio.value
        # The middle of all ratios of A to B is not quite the ratio of their middles: each goes half of the way.
        between = sqrt(pseudo_median(self.a) * pseudo_median(self.b))
        return between * sqrt(ratio), between / sqrt(ratio)


@dataclass(frozen=True)
class Missing:
    """Why two cells say nothing of a metric."""

    why: str
    """The rest of a sentence that begins with the metric."""
    too_little: bool
    """Whether there are values, but too few to judge by."""
    lost_in_a: bool
    """Whether B has what A lacks."""


Found = list[tuple[Pair, Evidence]]
"""Pairs of cells that both have a metric, and what they say of it."""


def evidence(metric: str, pair: Pair, step: float) -> Evidence | Missing:
    """What two cells say of a metric, whose values over seeds are told apart from so large a `step` on."""
    if metric in TIMED:
        return _of_times(metric, pair)
    a, b = (_seeds(metric, cell) for cell in (pair.a, pair.b))
    if not (len(a) and len(b)):
        return _missing(pair, (a, b))
    if metric not in COUNTED and min(len(a), len(b)) < FEWEST_SEEDS:
        return _too_little(pair, (a, b), FEWEST_SEEDS, "seed")
    return _of_values(metric, [within_step(a, step), within_step(b, step)], np.array([1.0, -1.0]), [(a, b)])


def overall(metric: str, found: Found, step: float) -> Evidence:
    """What all pairs say together: the geometric mean of times, the mean of other changes."""
    samples = [(each.a, each.b) for _, each in found]
    if metric in TIMED:
        # Against its dense twin each cell was timed by itself, else those of one cell share what is wrong with it.
        shared = any(each.test == _UNPAIRED for _, each in found) and _sharing([pair for pair, _ in found])
        test = geometric_mean_test([each.ratio for _, each in found if each.ratio], independent=not shared)
        name = found[0][1].test if len(found) == 1 else "geometric mean"
        return _of_ratio(test, name, samples, any(each.on_processor_time for _, each in found))
    weights: dict[int, float] = {}
    values: dict[int, Samples] = {}
    for pair, each in found:
        for cell, own, sign in ((pair.a, each.a, 1.0), (pair.b, each.b, -1.0)):
            weights[id(cell)] = weights.get(id(cell), 0.0) + sign / len(found)
            values[id(cell)] = within_step(own, step)
    return _of_values(metric, [values[key] for key in weights], np.array(list(weights.values())), samples)


def step_of(metric: str, pairs: Sequence[Pair]) -> float:
    """The smallest step between any two values of a metric, such as one test image of accuracy; 0 without steps."""
    return smallest_step(np.concatenate([_seeds(metric, cell) for pair in pairs for cell in (pair.a, pair.b)]))


def _of_times(metric: str, pair: Pair) -> Evidence | Missing:
    sides = (pair.a, pair.b)
    other = PROCESSOR_TIMES.get(metric)
    a, b = (_samples(cell, metric) for cell in sides)
    shared = other is not None and max(map(_foreign_share, sides)) > _CONTAMINATED
    if shared and other:
        instead = [_samples(cell, other) for cell in sides]
        shared = all(map(len, instead))
        a, b = instead if shared else (a, b)
    if not (len(a) and len(b)):
        return _missing(pair, (a, b))
    if min(len(a), len(b)) < FEW_SAMPLES:
        return _too_little(pair, (a, b), FEW_SAMPLES, "sample")
    dense = [cell.shared["router"] == "dense" for cell in sides]
    if metric.endswith("_vs_dense") and dense.count(True) == 1:
        # A router was timed in turns with a dense twin of its own, which says more than the timing of the dense cell.
        timed, ratios = (pair.b, 1 / b) if dense[0] else (pair.a, a)
        a, b = (np.ones_like(b), b) if dense[0] else (a, np.ones_like(a))
        return _of_ratio(signed_rank(ratios).scattered(_scatter(metric, timed, ratios)), _PAIRED, [(a, b)], shared)
    scatter = hypot(*(_scatter(metric, cell, own) for cell, own in zip(sides, (a, b), strict=True)))
    return _of_ratio(mann_whitney(a, b).scattered(scatter), _UNPAIRED, [(a, b)], shared)


def _of_ratio(test: RatioTest, name: str, samples: Sequence[tuple[Samples, Samples]], shared: bool) -> Evidence:
    change = Interval(*(bound - 1 for bound in test.ratio))
    return Evidence(change, test.p_value, _improvement(samples, False), name, *_joined(samples), test, shared)


def _of_values(
    metric: str, strata: Sequence[Samples], weights: Samples, samples: Sequence[tuple[Samples, Samples]]
) -> Evidence:
    improvement = _improvement(samples, quantity(metric).higher_is_better)
    if metric in COUNTED:
        exact = float(sum(weight * part.mean() for weight, part in zip(weights, strata, strict=True)))
        certain = [Interval(value, value, value) for value in (exact, improvement.value)]
        return Evidence(certain[0], float("nan"), certain[1], EQUAL_OR_NOT, *_joined(samples))
    change = _contrast(strata, weights)
    return Evidence(change, contrast_p_value(strata, weights), improvement, OVER_SEEDS, *_joined(samples))


def _contrast(strata: Sequence[Samples], weights: Samples) -> Interval:
    """The interval of the weighted sum of means; for B against A, all weights turned, it is turned as well.

    So the resamples must not depend on who is called A: of both orders the one that sorts first is drawn from.
    """
    ours, theirs = (
        sorted((tuple(part), weight) for part, weight in zip(strata, sign * weights, strict=True)) for sign in (1, -1)
    )
    turned = theirs < ours
    parts, signed = zip(*(theirs if turned else ours), strict=True)
    found = contrast_interval(
        [np.array(part) for part in parts], np.array(signed), level=_LEVEL, resamples=_RESAMPLES, seed=0
    )
    if ours == theirs:  # A and B are equal, so that their interval is its own mirror
        half = (found.high - found.low) / 2
        return Interval(0.0, -half, half)
    return Interval(-found.value, -found.high, -found.low) if turned else found


def _improvement(samples: Sequence[tuple[Samples, Samples]], higher_is_better: bool) -> Interval:
    a, b = _joined(samples)
    names = [np.repeat(np.arange(len(samples)), [len(pair[side]) for pair in samples]) for side in (0, 1)]
    return probability_of_improvement(a, b, *names, higher_is_better=higher_is_better)


def _joined(samples: Sequence[tuple[Samples, Samples]]) -> tuple[Samples, Samples]:
    return np.concatenate([a for a, _ in samples]), np.concatenate([b for _, b in samples])


def _sharing(pairs: Sequence[Pair]) -> bool:
    return any(len({id(cell) for cell in side}) < len(pairs) for side in zip(*((p.a, p.b) for p in pairs), strict=True))


def _seeds(metric: str, cell: Cell) -> Samples:
    """A metric's values, one for each seed that ended well and has a number."""
    values: Samples = cell.good[metric].to_numpy(np.float64)
    return values[np.isfinite(values)]


def _samples(cell: Cell, metric: str) -> Samples:
    """The samples of a timing, which all seeds of a cell share; none where one of them is no time."""
    timed = next((listed(value) for value in cell.good[f"{metric}_samples"] if listed(value)), [])
    samples = np.array(timed, dtype=np.float64)
    return samples if np.isfinite(samples).all() and (samples > 0).all() else samples[:0]


def _missing(pair: Pair, values: tuple[Samples, Samples]) -> Missing:
    lacking = [(name, cell) for name, cell, own in zip("AB", (pair.a, pair.b), values, strict=True) if not len(own)]
    sides = [f"of {cell.label} in {name} ({cell.shared['status']})" for name, cell in lacking]
    return Missing(
        f"no value {' and '.join(sides)}", too_little=False, lost_in_a=[name for name, _ in lacking] == ["A"]
    )


def _too_little(pair: Pair, values: tuple[Samples, Samples], fewest: int, noun: str) -> Missing:
    sides = [
        f"{len(own)} {noun}{'s' * (len(own) > 1)} of {cell.label} in {name}"
        for name, cell, own in zip("AB", (pair.a, pair.b), values, strict=True)
        if len(own) < fewest
    ]
    few = [len(own) < fewest for own in values]
    return Missing(f"only {' and '.join(sides)}", too_little=True, lost_in_a=few == [True, False])


def _foreign_share(cell: Cell) -> float:
    """What other processes had of the processors; on accelerators the processors are not what is timed."""
    share = float(cell.shared["other_process_cpu_share"])
    return share if cell.shared["platform"] == "cpu" and not isnan(share) else 0.0


def _scatter(metric: str, cell: Cell, samples: Samples) -> float:
    share = min(_foreign_share(cell), 0.99)
    if not metric.endswith("_vs_dense"):
        # Seconds are too long by what others took, and there is no telling how much of theirs that is.
        return _SCATTER_SECONDS - log(1 - share)
    usual = _SCATTER + _SCATTER_SHARED * share
    low, high = np.quantile(np.log(samples), [0.1, 0.9])
    apart = float(high - low)
    # So wide that the interval reaches from one mode to the other.
    return max(usual, apart / 2) if share > _CONTAMINATED and apart > _TWO_MODES else usual
