"""The timing self-test: time a program against itself, unchanged and slowed down by known shares."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from moebench.measuring.timing.interleaved import PATIENCE, WARM_UP, Comparison, compare
from moebench.measuring.timing.sampler import Call
from moebench.statistics import SignedRank, proportion_interval, signed_rank, timing_scatter

EFFECTS = (0.0, 0.02, 0.05, 0.1)
REPEATS = 20
SMALLEST_EFFECT = 0.05
_LEAST_FOUND = {0.05: 0.9, 0.1: 0.99}
_MOST_FOUND = {0.0: 0.05}
_Z = 1.959964
"""Half width of a 95 % interval in standard deviations."""


@dataclass(frozen=True)
class Reading:
    """One timing of a program under two names, one of them slowed down."""

    effect: float
    verdict: str
    test: SignedRank
    seconds: float
    """Seconds of the timing, warm-up included."""
    flags: tuple[str, ...]
    other_process_share: float | None = None
    """Share of the processors' time that other processes used."""


@dataclass(frozen=True)
class Detection:
    """How often a slow-down of one size was found."""

    effect: float
    repeats: int
    found: int
    """Number of verdicts `higher`; without an effect also of verdicts `lower`."""
    estimate: float
    """Median over the repeats of the slow-down that was measured, as a share."""

    @property
    def share(self) -> float:
        """Share of the repeats in which a slow-down was found."""
        return self.found / self.repeats

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `share` from this number of repeats."""
        return proportion_interval(self.found, self.repeats)[1:]

    @property
    def required(self) -> str:
        """The requirement for this effect in words; empty if there is none."""
        if self.effect in _LEAST_FOUND:
            return f"at least {_LEAST_FOUND[self.effect]:.0%}"
        return f"at most {_MOST_FOUND[self.effect]:.0%}" if self.effect in _MOST_FOUND else ""

    @property
    def passed(self) -> bool:
        """Whether the slow-down was found as often as required."""
        return _LEAST_FOUND.get(self.effect, 0.0) <= self.share <= _MOST_FOUND.get(self.effect, 1.0)


def readings(
    make: Callable[[], Call],
    budget_s: float,
    *,
    effects: Sequence[float] = EFFECTS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Iterator[Reading]:
    """Time a program against itself, in a seeded random order of effects.

    Args:
        make: returns the program with a new state of its own.
        budget_s: seconds of each timing.
        effects: shares by which one of the two programs is slowed down.
        repeats: timings for each effect.
        seed: seed of all orders.
    """
    generator = np.random.default_rng(seed)
    for repeat in range(repeats):
        for effect in generator.permutation(effects):
            calls = {"A": slowed(make(), float(effect)), "B": slowed(make(), 0.0)}
            yield read(float(effect), compare(calls, {"A": "B"}, budget_s, seed + repeat))


def expected_s(budget_s: float, repeats: int = REPEATS, effects: Sequence[float] = EFFECTS) -> tuple[float, float]:
    """Return the longest seconds of `readings` on free processors, and in any case.

    Processors are free if no other process uses them.
    """
    timings = repeats * len(effects)
    return timings * budget_s * (1 + WARM_UP), timings * budget_s * (PATIENCE + WARM_UP)


def read(effect: float, comparison: Comparison) -> Reading:
    """Return the reading of one comparison of A with B.

    Args:
        effect: share by which A was slowed down.
        comparison: the comparison.
    """
    test = signed_rank(list(comparison.judged("A").samples))
    verdict = test.verdict(test.p_value, SMALLEST_EFFECT)
    seconds = comparison.warmup_s + comparison.timed_s
    return Reading(effect, verdict, test, seconds, comparison.flags, comparison.circumstances.other_process_share)


def detections(taken: Sequence[Reading]) -> list[Detection]:
    """Return how often each effect size was detected."""
    curve = []
    for effect in sorted({reading.effect for reading in taken}):
        own = [reading for reading in taken if reading.effect == effect]
        wanted = ("higher",) if effect else ("higher", "lower")
        found = sum(reading.verdict in wanted for reading in own)
        estimate = float(np.median([reading.test.ratio.value for reading in own])) - 1
        curve.append(Detection(effect, len(own), found, estimate))
    return curve


def scatter(taken: Sequence[Reading]) -> float | None:
    """Return the scatter between timings, or None for too few.

    The scatter is the standard deviation of the log ratio. Timings of one effect scatter about their mean, timings
    without an effect about a ratio of 1. The scatter within a timing, known from its interval, is subtracted.
    """
    groups: dict[float, list[tuple[float, float]]] = {}
    for reading in taken:
        ratio = reading.test.ratio
        if np.isfinite(ratio).all():
            error = (np.log(ratio.high) - np.log(ratio.low)) / (2 * _Z)
            groups.setdefault(reading.effect, []).append((float(np.log(ratio.value)), float(error)))
    return timing_scatter([group for effect, group in groups.items() if effect], groups.get(0.0, ()))


def slowed(call: Call, effect: float) -> Call:
    """Return the program, followed by added work.

    The work lasts the given share of the program's own time.

    The added work is as long as the shorter of the program's wall-clock time and its processor time. On an idle machine
    a program of several threads takes less wall-clock time, on a busy machine less processor time, and the verdict is
    based on the shorter of the two.
    """

    def slow() -> object:
        began, worked = time.perf_counter(), time.process_time()
        outputs = jax.block_until_ready(call())
        own = min(time.perf_counter() - began, time.process_time() - worked)
        end = time.thread_time() + effect * own
        while time.thread_time() < end:
            pass
        return outputs

    return slow
