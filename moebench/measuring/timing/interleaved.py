"""Wall-clock of compiled programs, side by side, so that what disturbs one disturbs the other.

The programs of a comparison take turns in a seeded random order, in one process, after a warm-up that ends when each
has settled. Rounds go on until the intervals are narrow or the budget is spent, and every sample is kept.
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
"""Rounds before the first look at how narrow the intervals are; of fewer samples some look narrow by luck."""
PRECISION = 0.02
"""Half width of an interval, relative to its median, at which timing ends before its budget."""
NARROW_LOOKS = 2
"""Looks in a row at which the intervals must be narrow: of one look some are narrow by luck."""
WARM_UP = 0.25
"""Share of the budget after which the warm-up ends, steady or not; it comes on top."""
PATIENCE = 3.0
"""How many times the budget a timing may last by the clock on the wall where others have the processors."""

Samples = dict[str, list[float]]
_ANCHOR = "(anchor)"


@dataclass(frozen=True)
class Comparison:
    """Seconds for one call of each program, ratios of paired samples, and what to know before trusting them."""

    seconds: dict[str, Interval]
    ratios: dict[str, Interval]
    """Of each program that has a baseline: its samples over those that the baseline took in the same rounds."""
    cpu_ratios: dict[str, Interval]
    """The same of the processors' time."""
    anchor: Interval
    """Seconds of the fixed kernel that ran in each round."""
    flags: tuple[str, ...]
    circumstances: Circumstances
    warmup_s: float
    timed_s: float

    def judged(self, program: str) -> Interval:
        """The ratios by which to judge whether a program differs from its baseline.

        Of wall-clock; but of processor time where the program runs on processors of which others had a good part. Then
        wall-clock is mostly theirs, and its interval, though right, so wide that it shows nothing.
        """
        return (self.cpu_ratios if _by_processor_time(self.circumstances) else self.ratios)[program]

    @property
    def drift(self) -> float:
        """By which share the anchor became slower from the first half of the rounds to the second."""
        return drift(self.anchor)

    @property
    def outliers(self) -> int:
        """How many samples, of all programs together, lie far outside their quartiles."""
        return sum(interval.outliers for interval in self.seconds.values())


def compare(calls: Mapping[str, Call], baselines: Mapping[str, str], budget_s: float, seed: int) -> Comparison:
    """Time programs against each other.

    Args:
        calls: programs by name.
        baselines: for programs of interest the name of the one they are set against.
        budget_s: seconds for the timed rounds; warm-up comes on top. On processors that others use as well, those
            seconds that it would have taken alone for the work it got done, so that it takes as many samples, but at
            most `PATIENCE` times as many seconds. At least nine rounds are taken.
        seed: of the order within each round.
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
        """One more round."""
        names = list(samplers)
        for place in generator.permutation(len(names)):
            sample = samplers[names[place]].sample()
            self.wall.setdefault(names[place], []).append(sample.wall_s)
            self.cpu.setdefault(names[place], []).append(sample.cpu_s)
        self.count += 1

    def processors(self) -> float:
        """How many processors a round keeps busy where others leave them to it: the ninth decile over the rounds."""
        wall, cpu = (np.sum(list(samples.values()), axis=0) for samples in (self.wall, self.cpu))
        return max(1.0, float(np.quantile(cpu / wall, 0.9)))

    def precise(self, baselines: Mapping[str, str], by_processor_time: bool) -> bool:
        """Whether what will be judged by is narrow; on one's own machine the seconds have to be, too."""
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
    """Rounds, what went on around them, and whether they ended because the intervals were narrow."""
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
    """Python's garbage collector would put its pauses into whichever sample it happens to meet."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
