"""The effect of A against B on one metric: change, interval and test.

An effect is that of one pair of cells or of all pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import hypot, isnan, log, sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moebench.claims import timing
from moebench.claims.cell_values import CellValues, pools_of
from moebench.claims.differences import mean_terms, mean_weights
from moebench.claims.matching import Cell, Pair
from moebench.claims.pairing import check_same_images
from moebench.compare.metrics import COUNTED, PROCESSOR_TIMES, TIMED
from moebench.reports.analysis.cells import listed
from moebench.results.schema import column
from moebench.statistics import (
    FEW_SAMPLES,
    Contrast,
    Interval,
    RatioTest,
    Variance,
    geometric_mean_test,
    mann_whitney,
    probability_of_improvement,
    pseudo_median,
    signed_rank,
)

BY_IMAGE, BY_SEED = "paired by seed and test image", "paired by seed"
EQUAL_OR_NOT = "counted, not sampled"
_UNPAIRED, _PAIRED = "Mann-Whitney", "signed rank against the dense twin"
FEWEST_SEEDS = 2
_LEVEL = 0.95

Samples = NDArray[np.float64]
Detectable = Callable[[float], float]


@dataclass(frozen=True)
class Evidence:
    """The effect of A against B on one metric."""

    change: Interval
    """A over B less 1 for times, A less B for other metrics."""
    p_value: float
    """Probability of such a change without a difference; NaN for counted metrics."""
    detectable_at: Detectable
    """Returns the change that a test at a given level would have found with 80 % power."""
    improvement: Interval
    """Probability that a sample, or a seed, of A is better than one of B."""
    test: str
    a: Samples
    b: Samples
    ratio: RatioTest | None = None
    """The test that the change of a time comes from; None for other metrics."""
    on_processor_time: bool = False

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of A and B that agree with the change.

        The levels are means, or for times the levels that the test implies.
        """
        if self.ratio is None:
            return float(self.a.mean()), float(self.b.mean())
        ratio = self.ratio.ratio.value
        # The median of all ratios of A to B is not quite the ratio of their medians: each level moves half of the way.
        between = sqrt(pseudo_median(self.a) * pseudo_median(self.b))
        return between * sqrt(ratio), between / sqrt(ratio)


@dataclass(frozen=True)
class Missing:
    """The reason why two cells cannot be compared on a metric."""

    why: str
    """The reason, as the rest of a sentence that begins with the metric."""
    too_little: bool
    """Whether there are values, but too few for a verdict."""
    lost_in_a: bool
    """Whether B has values that A lacks."""


Found = list[tuple[Pair, Evidence]]
"""Pairs of cells that both have a metric, with the effect of each pair."""


@dataclass(frozen=True)
class Background:
    """All cells of a comparison, which give the scatter over seeds and between timings."""

    cells: Sequence[Cell]
    pools: Sequence[tuple[str, ...]]
    numbers: dict[int, int]
    """Number of each cell by its identity; one measurement on both sides has one number."""
    scatter: float
    """Standard deviation of a log ratio to the dense twin between timings."""
    seconds_scatter: float
    """Standard deviation of log seconds between timings."""
    _values: dict[str, CellValues] = field(default_factory=dict)

    @classmethod
    def from_cells(cls, cells: Sequence[Cell]) -> "Background":
        """Return the background of cells, numbered with those of A and of B first."""
        once: dict[tuple[str, ...], int] = {}
        kept: list[Cell] = []
        numbers = {}
        for cell in cells:
            key = (
                *(str(cell.shared[name]) for name in ("suite", "cell_id", "run_id", "attempt")),
                repr(cell.rows[["seed", "accuracy", "eval_loss"]].to_numpy().tolist()),
            )
            if key not in once:
                once[key] = len(kept)
                kept.append(cell)
            numbers[id(cell)] = once[key]
        rows = pd.concat([cell.rows for cell in kept], ignore_index=True)
        pools = pools_of(pd.DataFrame([cell.shared for cell in kept]))
        return cls(kept, pools, numbers, timing.scatter_of(rows).value, timing.seconds_scatter(rows))

    def values(self, metric: str) -> CellValues:
        """Return the values of a metric of all cells."""
        if metric not in self._values:
            self._values[metric] = CellValues.from_cells([cell.good for cell in self.cells], metric)
        return self._values[metric]

    def contrast(self, metric: str, pairs: Sequence[Pair]) -> Contrast:
        """Return the mean difference over pairs of cells.

        The difference has no error if A and B are one measurement.
        """
        numbered = [(self.numbers[id(pair.a)], self.numbers[id(pair.b)]) for pair in pairs]
        weights, values = mean_weights(numbered), self.values(metric)
        if all(abs(weight) < 1e-12 for weight in weights.values()):
            return Contrast(0.0, values.means.shape[1], Variance(0.0, 1.0), 0.0, None)
        return values.contrast(mean_terms(numbered), self.pools)


def evidence(metric: str, pair: Pair, background: Background) -> Evidence | Missing:
    """Return the effect of one pair of cells on a metric, or why none exists.

    Raises:
        BadInput: the cells were evaluated on different test images.
    """
    if metric in TIMED:
        return _of_times(metric, pair, background)
    a, b = (_seeds(metric, cell) for cell in (pair.a, pair.b))
    if not (len(a) and len(b)):
        return _missing(pair, (a, b))
    if metric in COUNTED:
        return _counted(metric, [(a, b)])
    if min(len(a), len(b)) < FEWEST_SEEDS:
        return _too_little(pair, (a, b), FEWEST_SEEDS, "seed")
    check_same_images(pair, metric)
    contrast = background.contrast(metric, [pair])
    if contrast.seeds < FEWEST_SEEDS:
        why = f"fewer than two seeds that {pair.a.label} in A and {pair.b.label} in B share"
        return Missing(f"only {why}", too_little=True, lost_in_a=False)
    return _of_seeds(metric, contrast, [(a, b)])


def overall(metric: str, found: Found, background: Background) -> Evidence:
    """Return the effect over all pairs: geometric mean of times, mean of other changes."""
    samples = [(each.a, each.b) for _, each in found]
    pairs = [pair for pair, _ in found]
    if metric in TIMED:
        # Each cell was timed separately against its own dense twin; otherwise all seeds of a cell share one timing
        # error.
        shared = any(each.test == _UNPAIRED for _, each in found) and _sharing(pairs)
        test = geometric_mean_test([each.ratio for _, each in found if each.ratio], independent=not shared)
        name = found[0][1].test if len(found) == 1 else "geometric mean"
        return _of_ratio(test, name, samples, any(each.on_processor_time for _, each in found))
    if metric in COUNTED:
        return _counted(metric, samples)
    return _of_seeds(metric, background.contrast(metric, pairs), samples)


def _of_times(metric: str, pair: Pair, background: Background) -> Evidence | Missing:
    sides = (pair.a, pair.b)
    other = PROCESSOR_TIMES.get(metric)
    a, b = (_samples(cell, metric) for cell in sides)
    shared = other is not None and any(timing.disturbed(cell.shared, metric) for cell in sides)
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
        # A router was timed in turns with its own dense twin, which is more precise than the timing of the dense cell.
        ratios = 1 / b if dense[0] else a
        a, b = (np.ones_like(b), b) if dense[0] else (a, np.ones_like(a))
        return _of_ratio(signed_rank(ratios).scattered(background.scatter), _PAIRED, [(a, b)], shared)
    scatter = hypot(*(_scatter(metric, cell, background) for cell in sides))
    return _of_ratio(mann_whitney(a, b).scattered(scatter), _UNPAIRED, [(a, b)], shared)


def _of_ratio(test: RatioTest, name: str, samples: Sequence[tuple[Samples, Samples]], shared: bool) -> Evidence:
    change = Interval(*(bound - 1 for bound in test.ratio))
    improvement = _improvement(samples, False)
    return Evidence(change, test.p_value, test.detectable, improvement, name, *_joined(samples), test, shared)


def _counted(metric: str, samples: Sequence[tuple[Samples, Samples]]) -> Evidence:
    """Return the mean difference of counted numbers, which has no error."""
    change = float(np.mean([a.mean() - b.mean() for a, b in samples]))
    improvement = _improvement(samples, column(metric).higher_is_better).value
    certain = [Interval(value, value, value) for value in (change, improvement)]
    return Evidence(certain[0], float("nan"), lambda _: 0.0, certain[1], EQUAL_OR_NOT, *_joined(samples))


def _of_seeds(metric: str, contrast: Contrast, samples: Sequence[tuple[Samples, Samples]]) -> Evidence:
    return Evidence(
        contrast.interval(_LEVEL),
        contrast.p_value(),
        contrast.detectable,
        _improvement(samples, column(metric).higher_is_better),
        BY_SEED if contrast.by_image is None else BY_IMAGE,
        *_joined(samples),
    )


def _improvement(samples: Sequence[tuple[Samples, Samples]], higher_is_better: bool) -> Interval:
    a, b = _joined(samples)
    names = [np.repeat(np.arange(len(samples)), [len(pair[side]) for pair in samples]) for side in (0, 1)]
    return probability_of_improvement(a, b, *names, higher_is_better=higher_is_better)


def _joined(samples: Sequence[tuple[Samples, Samples]]) -> tuple[Samples, Samples]:
    return np.concatenate([a for a, _ in samples]), np.concatenate([b for _, b in samples])


def _sharing(pairs: Sequence[Pair]) -> bool:
    return any(len({id(cell) for cell in side}) < len(pairs) for side in zip(*((p.a, p.b) for p in pairs), strict=True))


def _seeds(metric: str, cell: Cell) -> Samples:
    """Return a metric's values, one for each seed with status ok and a number."""
    values: Samples = cell.good[metric].to_numpy(np.float64)
    return values[np.isfinite(values)]


def _samples(cell: Cell, metric: str) -> Samples:
    """Return the samples of a timing, which all seeds of a cell share.

    The result is empty if one sample is no time.
    """
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


def _scatter(metric: str, cell: Cell, background: Background) -> float:
    """Return the standard deviation, of a logarithm, between two timings of a cell."""
    if metric.endswith("_vs_dense"):
        return background.scatter
    share = float(cell.shared["other_process_cpu_share"])
    taken = min(share, 0.99) if cell.shared["platform"] == "cpu" and not isnan(share) else 0.0
    # Other processes lengthen seconds by an unknown part.
    return background.seconds_scatter - log(1 - taken)
