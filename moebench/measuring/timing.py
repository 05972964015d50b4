"""Wall-clock of compiled programs, side by side, so that what disturbs one disturbs the other.

The programs of a comparison take turns in a seeded random order, in one process, after a warm-up that ends when each
has settled. Rounds go on until the intervals are narrow or the budget is spent, and every sample is kept.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moebench.measuring import circumstances
from moebench.measuring.circumstances import Circumstances
from moebench.measuring.flags import drift, flags
from moebench.measuring.samples import Call, Interval, Sampler, anchor
from moebench.measuring.warmup import warm_up

MIN_ROUNDS = 9
PRECISION = 0.02
"""Half width of an interval, relative to its median, at which timing ends before its budget."""
WARM_UP = 0.25
"""Share of the budget after which the warm-up ends, steady or not; it comes on top."""

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
        budget_s: seconds for the timed rounds; warm-up comes on top. At least nine rounds are taken.
        seed: of the order within each round.
    """
    began = time.perf_counter()
    samplers = {name: Sampler(call) for name, call in calls.items()}
    fixed = anchor()
    settled = warm_up(samplers, WARM_UP * budget_s)
    before, started = circumstances.read(), time.perf_counter()
    wall, cpu = _rounds({**samplers, _ANCHOR: fixed}, baselines, budget_s, np.random.default_rng(seed))
    ended, after = time.perf_counter(), circumstances.read()
    seconds = {name: Interval.of(wall[name]) for name in calls}
    ratios = {name: _ratio(wall, name, baseline) for name, baseline in baselines.items()}
    cpu_ratios = {name: _ratio(cpu, name, baseline) for name, baseline in baselines.items()}
    measured = [interval for name in baselines for interval in (seconds[name], ratios[name])]
    around, kernel = Circumstances(before, after), Interval.of(wall[_ANCHOR])
    raised = flags(measured, kernel, around, steady=settled == calls.keys(), precise=_precise(wall, baselines))
    return Comparison(seconds, ratios, cpu_ratios, kernel, raised, around, started - began, ended - started)


def _rounds(
    samplers: Mapping[str, Sampler], baselines: Mapping[str, str], budget_s: float, generator: np.random.Generator
) -> tuple[Samples, Samples]:
    """Wall-clock and processor time of each program, one sample a round."""
    wall: Samples = {name: [] for name in samplers}
    cpu: Samples = {name: [] for name in samplers}
    names = list(samplers)
    began, rounds = time.perf_counter(), 0
    while True:
        for place in generator.permutation(len(names)):
            sample = samplers[names[place]].sample()
            wall[names[place]].append(sample.wall_s)
            cpu[names[place]].append(sample.cpu_s)
        rounds += 1
        spent = time.perf_counter() - began > budget_s
        if rounds >= MIN_ROUNDS and (spent or (rounds % MIN_ROUNDS == 0 and _precise(wall, baselines))):
            return wall, cpu


def _precise(samples: Samples, baselines: Mapping[str, str]) -> bool:
    return all(
        interval.relative_width < PRECISION
        for name, baseline in baselines.items()
        for interval in (_ratio(samples, name, baseline), Interval.of(samples[name]))
    )


def _ratio(samples: Samples, program: str, baseline: str) -> Interval:
    return Interval.of(np.divide(samples[program], samples[baseline]))
