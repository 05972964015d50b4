"""What is the matter with a timing: warm-up, drift, other processes, clocks; and where a cell's time went."""

import time

import pytest

from moebench.measuring import Interval
from moebench.measuring.timing import machine_state
from moebench.measuring.timing.machine_state import Circumstances, Reading
from moebench.measuring.timing.raise_flags import drift, flags
from moebench.measuring.timing.sampler import Sample, Sampler
from moebench.measuring.timing.warmup import steady, warm_up
from moebench.spec.machine import usable_cpus
from moebench.spec.timing_flags import MEANINGS

ALONE = Reading(at=0.0, busy_s=0.0, own_s=0.0, clock_mhz=2000.0, temperature_c=50.0, device_processes=None)


def after(**changes: float) -> Circumstances:
    """Ten seconds in which this process worked for five, and what changed."""
    values = {"at": 10.0, "busy_s": 5.0, "own_s": 5.0, "clock_mhz": 2000.0, "temperature_c": 55.0}
    return Circumstances(ALONE, Reading(**{**values, "device_processes": None, **changes}))


NARROW, STILL = Interval.from_samples([1.0] * 9), Interval.from_samples([1.0] * 10)


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ((), {}),
        (("unsteady", "budget_exhausted"), {"steady": False, "precise": False}),
        # Half the interval of nine samples, 0.9 to 1.3 without the outermost, is over a tenth of the median.
        (("noisy",), {"measured": [Interval.from_samples([0.7, 0.7, 0.7, 1.0, 1.0, 1.3, 1.3, 1.3, 1.3])]}),
        # The anchor's median goes from 1.0 in the first half to 1.06 in the second.
        (("drift",), {"anchor": Interval.from_samples([1.0] * 5 + [1.06] * 5)}),
        ((), {"anchor": Interval.from_samples([1.0] * 5 + [1.04] * 5)}),
        # Others had 0.2 · 10 s of each processor, then 0.05 · 10 s.
        (("contention",), {"circumstances": after(busy_s=5.0 + 2.0 * usable_cpus())}),
        ((), {"circumstances": after(busy_s=5.0 + 0.5 * usable_cpus())}),
        (("contention",), {"circumstances": after(device_processes=2)}),
        (("clock_changed",), {"circumstances": after(clock_mhz=1880.0)}),
        ((), {"circumstances": after(clock_mhz=1920.0)}),
    ],
)
def test_flags(expected: tuple[str, ...], changes: dict[str, object]) -> None:
    quiet = {"measured": [NARROW], "anchor": STILL, "circumstances": after(), "steady": True, "precise": True}
    assert flags(**{**quiet, **changes}) == expected
    assert set(expected) <= MEANINGS.keys()


def test_drift_is_positive_when_the_machine_becomes_slower() -> None:
    assert drift(Interval.from_samples([1.0, 1.0, 1.5, 1.5])) == pytest.approx(0.5)


def test_what_the_machine_does_not_tell_is_unknown_and_no_flag() -> None:
    silent = Reading(10.0, None, 5.0, None, None, None)
    assert Circumstances(ALONE, silent).other_process_share is None
    assert Circumstances(ALONE, silent).clock_moved == 0.0


def test_ones_own_work_is_not_foreign() -> None:
    before = machine_state.read()
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass
    around = Circumstances(before, machine_state.read())
    if around.other_process_share is None:
        pytest.skip("this machine does not tell what its processors do")
    # Whatever others did, they cannot have had what this loop had; the clock's ticks are 10 ms.
    own = 0.3 / (around.after.at - before.at) / usable_cpus()
    assert around.other_process_share <= 1 - own + 0.1


def test_an_accelerator_is_asked_for_clock_temperature_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"--query-gpu=clocks.sm,temperature.gpu": ["1755, 61"], "--query-compute-apps=pid": ["12", "99"]}
    monkeypatch.setattr(machine_state, "_nvidia_smi", lambda device, query: answers[query])
    assert machine_state._accelerator() == (1755.0, 61.0, 2)
    answers["--query-gpu=clocks.sm,temperature.gpu"] = ["[N/A], 61"]
    assert machine_state._accelerator() == (None, 61.0, 2)
    monkeypatch.setattr(machine_state, "_nvidia_smi", lambda device, query: None)
    assert machine_state._accelerator() == (None, None, None)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ([1.0] * 5, [1.04] * 5, True),
        ([1.0] * 5, [1.06] * 5, False),
        # Quartiles 0.98, 1, 1.02 both times: a spread of 4 %.
        ([0.9, 0.98, 1.0, 1.02, 1.3], [0.97, 0.98, 1.0, 1.02, 1.03], True),
        # Quartiles 0.9, 1, 1.1 both times: they agree, but spread by 20 %.
        ([0.8, 0.9, 1.0, 1.1, 1.2], [0.8, 0.9, 1.0, 1.1, 1.2], False),
    ],
)
def test_two_windows_agree_in_quartiles_and_spread(earlier: list[float], later: list[float], expected: bool) -> None:
    assert steady(earlier, later) is expected


class Falling(Sampler):
    """A program whose samples are given, the last of them for ever."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.taken = 0

    def sample(self) -> Sample:
        self.taken += 1
        value = self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        return Sample(value, value)


def test_warm_up_ends_when_the_slowest_to_settle_has_settled() -> None:
    # The second is steady from its sixth sample on: the windows of samples 6 to 10 and 11 to 15 agree.
    samplers = {"quick": Falling(1.0), "slow": Falling(9.0, 5.0, 3.0, 2.0, 1.5, 1.0)}
    assert warm_up(samplers, most_s=60.0) == {"quick", "slow"}
    assert [sampler.taken for sampler in samplers.values()] == [15, 15]


def test_what_never_settles_is_named_when_time_is_up() -> None:
    samplers = {"quick": Falling(1.0), "wild": Falling(*[2.0**n for n in range(1000)] * 9)}
    assert warm_up(samplers, most_s=0.005) == {"quick"}
