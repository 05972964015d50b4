"""The state of the machine during a timing: work of other processes, clocks, temperature."""

import os
import subprocess
import time
from dataclasses import dataclass

import jax
import psutil

_QUERY_S = 10
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_WORK = ("user", "nice", "system", "irq", "softirq", "steal", "interrupt", "dpc")


@dataclass(frozen=True)
class Reading:
    """The machine at one moment; a number that the machine does not provide is None."""

    at: float
    busy_s: float | None
    """Seconds that the processors usable by this process have worked for any process."""
    own_s: float
    """Seconds that these processors have worked for this process."""
    clock_mhz: float | None
    """Clock of the accelerator if there is one, else the mean clock of the processors."""
    temperature_c: float | None
    device_processes: int | None
    """Processes that compute on the accelerator."""


@dataclass(frozen=True)
class Circumstances:
    """Two readings, before a timing and after it."""

    before: Reading
    after: Reading

    @property
    def other_process_share(self) -> float | None:
        """Share of the usable processors' time that other processes used.

        Other guests of the host count like processes.
        """
        if self.before.busy_s is None or self.after.busy_s is None:
            return None
        passed = (self.after.at - self.before.at) * len(_processors())
        others = (self.after.busy_s - self.before.busy_s) - (self.after.own_s - self.before.own_s)
        return min(max(others / passed, 0.0), 1.0)

    @property
    def clock_moved(self) -> float:
        """Change of the clock as a share; 0 if the clock cannot be read."""
        before, after = self.before.clock_mhz, self.after.clock_mhz
        return abs(after / before - 1) if before and after else 0.0

    @property
    def device_shared(self) -> bool:
        """Whether another process used the accelerator."""
        return any((reading.device_processes or 0) > 1 for reading in (self.before, self.after))


def read() -> Reading:
    """Return the state of the machine now."""
    clock, temperature, processes = _accelerator() if jax.default_backend() == "gpu" else _processor()
    return Reading(time.perf_counter(), _busy_s(), time.process_time(), clock, temperature, processes)


def _processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_s() -> float | None:
    """Return the busy seconds of the usable processors.

    Time that the host took away counts, because this process could not use it. Waiting for a disk does not count.
    """
    times = psutil.cpu_times(percpu=True)
    if len(times) <= max(_processors()):  # a container that hides some of the machine's processors
        return None
    return float(sum(getattr(times[cpu], kind, 0.0) for cpu in _processors() for kind in _WORK))


def _processor() -> tuple[float | None, float | None, None]:
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    warmest = max((sensor.current for chip in _CHIPS for sensor in sensors.get(chip, ())), default=None)
    return (frequency.current if frequency and frequency.current else None), warmest, None


def _accelerator() -> tuple[float | None, float | None, int | None]:
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    state = _nvidia_smi(device, "--query-gpu=clocks.sm,temperature.gpu")
    applications = _nvidia_smi(device, "--query-compute-apps=pid")
    if not state:
        return None, None, None
    clock, temperature = (float(value) if value.strip().isdecimal() else None for value in state[0].split(","))
    return clock, temperature, None if applications is None else len(applications)


def _nvidia_smi(device: str, query: str) -> list[str] | None:
    """Return the lines that nvidia-smi prints for a query; None if it cannot be run."""
    command = ["nvidia-smi", f"--id={device}", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_QUERY_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().splitlines()
