"""Samples of a program's time.

Each sample is several calls, long compared with the clock, until the device has finished. Each sample also has the
processor time of all threads together. Wall-clock is the result; but on processors that other processes use, wall-clock
mostly measures those processes, and processor time still tells two programs apart.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from moebench.statistics.intervals import median_interval

SHORTEST_SAMPLE_S = 0.01
"""Long compared with the resolution of the host's clock, and with the cost of a call before the device begins."""
SHORTEST_ANCHOR_S = 0.002
_CALIBRATING = 3

Call = Callable[[], object]
"""Runs a program once and returns its outputs, whose computation may not have finished."""


class Sample(NamedTuple):
    """Seconds of one call."""

    wall_s: float
    cpu_s: float
    """Processor time of this process's threads together, in Python and in the program; meaningless on accelerators."""


@dataclass(frozen=True)
class Interval:
    """A median with its 95 % order-statistic interval, and every sample behind it."""

    value: float
    low: float
    high: float
    samples: tuple[float, ...]

    @classmethod
    def from_samples(cls, samples: Iterable[float]) -> "Interval":
        """Return the interval of samples in the order in which they were taken."""
        taken = np.array(list(samples), dtype=np.float64)
        return cls(*median_interval(taken), tuple(taken.tolist()))

    @property
    def relative_width(self) -> float:
        """Half the interval's width over its median."""
        return (self.high - self.low) / 2 / self.value

    @property
    def outliers(self) -> int:
        """Number of samples over 1.5 interquartile ranges outside the quartiles; they count like all samples."""
        low, high = np.quantile(self.samples, [0.25, 0.75])
        reach = 1.5 * (high - low)
        return int(sum(not low - reach <= sample <= high + reach for sample in self.samples))


class Sampler:
    """Sampler of one program; each sample is the mean over calls that together last `shortest_s`."""

    def __init__(self, call: Call, shortest_s: float = SHORTEST_SAMPLE_S) -> None:
        self._call = call
        self.repeats = 1
        self.sample()  # the first call loads and allocates
        quickest = min(self.sample().wall_s for _ in range(_CALIBRATING))
        self.repeats = max(1, int(np.ceil(shortest_s / quickest)))

    def sample(self) -> Sample:
        """Take one more sample."""
        began, worked = time.perf_counter(), time.process_time()
        for _ in range(self.repeats):
            outputs = self._call()
        jax.block_until_ready(outputs)
        wall, cpu = time.perf_counter() - began, time.process_time() - worked
        return Sample(wall / self.repeats, cpu / self.repeats)


def anchor() -> Sampler:
    """Return a sampler of a fixed kernel, whose drift shows the machine's drift.

    The drift over a timing is due to the machine, not to the program.

    Its samples are short, because they take time from the programs of interest; only their median is used.
    """
    side = 256 if jax.default_backend() == "cpu" else 4096
    matrix = jax.random.normal(jax.random.key(0), (side, side))
    multiply = jax.jit(lambda x: jnp.tanh(x @ x)).lower(matrix).compile()
    return Sampler(lambda: multiply(matrix), SHORTEST_ANCHOR_S)
