"""Wall-clock times of compiled programs, measured side by side.

A disturbance then affects all of the programs.

The programs of a comparison take turns in a seeded random order, in one process, after a warm-up that ends when each
program is steady. Rounds continue until the intervals are narrow or the budget is spent; every sample is kept.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import jax
import numpy as np

from moebench.measuring.timing import machine_state
from moebench.measuring.timing.machine_state import Circumstances
from moebench.measuring.timing.raise_flags import contention, drift, flags
from moebench.measuring.timing.sampler import Call, Interval, Sampler, anchor
from moebench.measuring.timing.warmup import warm_up

MIN_ROUNDS = 9
LOOK_EVERY = 9
FIRST_LOOK = 18
"""Rounds before the first check of the intervals' width; with fewer samples some intervals are narrow by chance."""
PRECISION = 0.02
"""Half width of an interval, relative to its median, at which timing ends before its budget."""
NARROW_LOOKS = 2
"""Checks in a row at which the intervals must be narrow: at a single check some are narrow by chance."""
WARM_UP = 0.25
"""Share of the budget after which the warm-up ends, steady or not; the warm-up is added to the budget."""
PATIENCE = 3.0
"""The longest wall-clock time of a timing, in budgets, if other processes use the processors."""

Samples = dict[str, list[float]]
_ANCHOR = "(anchor)"


@dataclass(frozen=True)
class Comparison:
    """Seconds for one call of each program, ratios of paired samples, and the timing flags."""

    seconds: dict[str, Interval]
    ratios: dict[str, Interval]
    """Samples of each program that has a baseline, divided by the baseline's samples of the same rounds."""
    cpu_ratios: dict[str, Interval]
    """Ratios of processor time, paired like `ratios`."""
    anchor: Interval
    """Seconds of the fixed kernel that ran in each round."""
    flags: tuple[str, ...]
    circumstances: Circumstances
    warmup_s: float
    timed_s: float

    def judged(self, program: str) -> Interval:
        """Return the ratios that decide whether a program differs from its baseline.

        The ratios are of wall-clock, or of processor time if other processes used a large share of the processors:
        wall-clock then mostly measures the other processes, and its interval, although valid, is too wide to show a
        difference.
        """
        return (self.cpu_ratios if _by_processor_time(self.circumstances) else self.ratios)[program]

    @property
    def drift(self) -> float:
        """Slow-down of the reference kernel between the halves of the rounds, as a share."""
        return drift(self.anchor)

    @property
    def outliers(self) -> int:
        """Number of samples, of all programs together, far outside their quartiles."""
        return sum(interval.outliers for interval in self.seconds.values())


def compare(calls: Mapping[str, Call], baselines: Mapping[str, str], budget_s: float, seed: int) -> Comparison:
    """Time programs against each other.

    Args:
        calls: programs by name.
        baselines: for each program of interest the name of its baseline.
        budget_s: seconds for the timed rounds, to which the warm-up is added. On processors that other processes use,
            the
            budget counts the seconds that the work would have taken alone, so that the number of samples stays; the
            wall-clock time is at most `PATIENCE` times the budget. At least nine rounds are taken.
        seed: seed of the order within each round.
    """
    began = time.perf_counter()
    samplers = {name: Sampler(call) for name, call in calls.items()}
    fixed = anchor()
    settled = warm_up(samplers, WARM_UP * budget_s)
    started = time.perf_counter()
    with _without_collector():
        rounds, around, precise = _rounds({**samplers, _ANCHOR: fixed}, baselines, budget_s, seed)
    ended = time.perf_counter()
    seconds = {name: Interval.from_samples(rounds.wall[name]) for name in samplers}
    ratios, cpu_ratios = (_ratios(samples, baselines) for samples in (rounds.wall, rounds.cpu))
    kernel = Interval.from_samples(rounds.wall[_ANCHOR])
    reported = [interval for name in baselines for interval in (seconds[name], ratios[name])]
    raised = flags(reported, kernel, around, steady=settled == calls.keys(), precise=precise)
    return Comparison(seconds, ratios, cpu_ratios, kernel, raised, around, started - began, ended - started)


@dataclass
class _Rounds:
    """Samples of each program, one a round."""

    wall: Samples = field(default_factory=dict)
    cpu: Samples = field(default_factory=dict)
    count: int = 0

    def take(self, samplers: Mapping[str, Sampler], generator: np.random.Generator) -> None:
        """Time one more round."""
        names = list(samplers)
        for place in generator.permutation(len(names)):
            sample = samplers[names[place]].sample()
            self.wall.setdefault(names[place], []).append(sample.wall_s)
            self.cpu.setdefault(names[place], []).append(sample.cpu_s)
        self.count += 1

    def processors(self) -> float:
        """Return how many processors an undisturbed round keeps busy: the ninth decile over the rounds."""
        wall, cpu = (np.sum(list(samples.values()), axis=0) for samples in (self.wall, self.cpu))
        return max(1.0, float(np.quantile(cpu / wall, 0.9)))

    def precise(self, baselines: Mapping[str, str], by_processor_time: bool) -> bool:
        """Return whether the intervals that decide are narrow enough.

        On a machine without other load the seconds have to be narrow as well as the ratios.

        Args:
            baselines: for each program of interest the name of its baseline.
            by_processor_time: whether ratios of processor time decide.
        """
        if by_processor_time:
            intervals = list(_ratios(self.cpu, baselines).values())
        else:
            intervals = [
                *_ratios(self.wall, baselines).values(),
                *(Interval.from_samples(self.wall[name]) for name in baselines),
            ]
        return all(interval.relative_width < PRECISION for interval in intervals)


def _rounds(
    samplers: Mapping[str, Sampler], baselines: Mapping[str, str], budget_s: float, seed: int
) -> tuple[_Rounds, Circumstances, bool]:
    """Time rounds; return them, their circumstances, and whether they ended because the intervals were narrow."""
    rounds, generator, before = _Rounds(), np.random.default_rng(seed), machine_state.read()
    narrow = 0
    while True:
        rounds.take(samplers, generator)
        wall = time.perf_counter() - before.at
        had = wall
        if jax.default_backend() == "cpu":
            had = min(wall, (time.process_time() - before.own_s) / rounds.processors())
        spent = had > budget_s or wall > PATIENCE * budget_s
        looking = rounds.count >= FIRST_LOOK and rounds.count % LOOK_EVERY == 0
        if looking or (spent and rounds.count >= MIN_ROUNDS):
            around = Circumstances(before, machine_state.read())
            narrow = narrow + 1 if rounds.precise(baselines, _by_processor_time(around)) else 0
            if narrow >= NARROW_LOOKS or spent:
                return rounds, around, narrow > 0


def _by_processor_time(around: Circumstances) -> bool:
    return jax.default_backend() == "cpu" and contention(around)


def _ratios(samples: Samples, baselines: Mapping[str, str]) -> dict[str, Interval]:
    return {
        name: Interval.from_samples(np.divide(samples[name], samples[baseline])) for name, baseline in baselines.items()
    }


@contextmanager
def _without_collector() -> Iterator[None]:
    """Stop Python's garbage collector, whose pauses would lengthen arbitrary samples."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
