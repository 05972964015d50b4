"""Wall-clock of compiled programs, side by side, so that what disturbs one disturbs the other.

The programs of a comparison take turns in a seeded random order, in one process; a sample is several calls long enough
for the host's clock, and ends when the device is done.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from moebench.statistics import median_interval

SHORTEST_SAMPLE_S = 0.01
WINDOW = 5
MAX_WINDOWS = 8
MIN_ROUNDS = 9
PRECISION = 0.02
"""Half width of an interval, relative to its median, at which timing ends before its budget."""
NOISY = 0.1

Call = Callable[[], object]
"""Runs a program once and returns its outputs, which may still be under way."""


@dataclass(frozen=True)
class Interval:
    """A median with its 95 % order-statistic interval, and every sample behind it."""

    value: float
    low: float
    high: float
    samples: tuple[float, ...]

    @classmethod
    def of(cls, samples: np.ndarray) -> "Interval":
        """Of samples in the order taken."""
        value, low, high = median_interval(samples)
        return cls(value, low, high, tuple(float(s) for s in samples))

    @property
    def relative_width(self) -> float:
        """Half the interval's width over its median."""
        return (self.high - self.low) / 2 / self.value


@dataclass(frozen=True)
class Comparison:
    """Seconds for one call of each program, ratios of paired samples, and what to know before trusting them."""

    seconds: dict[str, Interval]
    flags: tuple[str, ...]

    def ratio(self, program: str, baseline: str) -> Interval:
        """Samples of a program over those of the baseline taken in the same round."""
        return Interval.of(np.divide(self.seconds[program].samples, self.seconds[baseline].samples))


class _Sampler:
    def __init__(self, call: Call) -> None:
        self.call = call
        self.repeats = 1

    def sample(self) -> float:
        """Seconds of one call, the mean over as many as make a long enough sample."""
        began = time.perf_counter()
        for _ in range(self.repeats):
            outputs = self.call()
        jax.block_until_ready(outputs)
        return (time.perf_counter() - began) / self.repeats

    def warm_up(self) -> bool:
        """Run until two successive windows agree in their quartiles within 5 %; whether they ever did."""
        self.sample()
        self.repeats = max(1, int(np.ceil(SHORTEST_SAMPLE_S / self.sample())))
        before = self._window()
        for _ in range(MAX_WINDOWS):
            now = self._window()
            if np.allclose(now, before, rtol=0.05):
                return True
            before = now
        return False

    def _window(self) -> np.ndarray:
        return np.quantile([self.sample() for _ in range(WINDOW)], [0.25, 0.5, 0.75])


def anchor() -> Call:
    """A fixed kernel, whose drift over a timing is the machine's and not the program's."""
    matrix = jax.random.normal(jax.random.key(0), (256, 256))
    multiply = jax.jit(lambda x: jnp.tanh(x @ x)).lower(matrix).compile()
    return lambda: multiply(matrix)


def compare(calls: Mapping[str, Call], budget_s: float, seed: int) -> Comparison:
    """Time programs against each other.

    Args:
        calls: programs by name; the first is the one of interest, the second its baseline.
        budget_s: seconds for the timed rounds; warm-up comes on top. At least nine rounds are taken.
        seed: of the order within each round.
    """
    samplers = {name: _Sampler(call) for name, call in {**calls, "anchor": anchor()}.items()}
    steady = {name: sampler.warm_up() for name, sampler in samplers.items()}
    generator = np.random.default_rng(seed)
    samples: dict[str, list[float]] = {name: [] for name in samplers}
    names, (first, second, *_) = list(samplers), calls
    began, precise, spent = time.perf_counter(), False, False
    while not (precise or spent):
        for place in generator.permutation(len(names)):
            samples[names[place]].append(samplers[names[place]].sample())
        rounds = len(samples[first])
        if rounds >= MIN_ROUNDS:
            spent = time.perf_counter() - began > budget_s
            if spent or rounds % MIN_ROUNDS == 0:
                measured = Interval.of(np.divide(samples[first], samples[second]))
                precise = (
                    measured.relative_width < PRECISION
                    and Interval.of(np.array(samples[first])).relative_width < PRECISION
                )
    seconds = {name: Interval.of(np.array(taken)) for name, taken in samples.items()}
    return Comparison(seconds, _flags(seconds, steady, precise))


def _flags(seconds: Mapping[str, Interval], steady: Mapping[str, bool], precise: bool) -> tuple[str, ...]:
    flags = [] if all(steady.values()) else ["not_steady"]
    if any(interval.relative_width > NOISY for interval in seconds.values()):
        flags.append("noisy")
    drift = np.array_split(np.array(seconds["anchor"].samples), 2)
    if abs(np.median(drift[0]) / np.median(drift[1]) - 1) > 0.05:
        flags.append("drift")
    if not precise:
        flags.append("budget")
    return tuple(flags)
