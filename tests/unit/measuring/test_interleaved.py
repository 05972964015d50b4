"""The stopwatch: paired samples, ratios, precision and budget, and the interval it reports."""

import gc
from collections.abc import Callable

import numpy as np
import pytest

from moebench.measuring import Comparison, Interval, compare
from moebench.measuring.timing import interleaved, machine_state, sampler, warmup
from moebench.measuring.timing.machine_state import Circumstances, Reading
from moebench.measuring.timing.sampler import SHORTEST_SAMPLE_S, Sample, Sampler

SECOND_LOOK = interleaved.FIRST_LOOK + interleaved.LOOK_EVERY


class Clock:
    """A clock that stands still but for the work that programs say they do."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    process_time = perf_counter

    def program(self, seconds: float | Callable[[], float]) -> Callable[[], float]:
        """A program of one thread that takes so long, or as long as is drawn at each call."""

        def call() -> float:
            took = seconds() if callable(seconds) else seconds
            self.now += took
            return took

        return call

    def reading(self) -> Reading:
        return Reading(self.now, self.now, self.now, None, None, None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The one that everything here measures with, on a machine without other processes."""
    made = Clock()
    for module in (interleaved, sampler, warmup):
        monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(machine_state, "read", made.reading)
    monkeypatch.setattr(interleaved, "anchor", lambda: Sampler(made.program(0.002)))
    return made


def test_a_program_twice_as_slow_is_twice_as_slow(clock: Clock) -> None:
    calls = {"slow": clock.program(0.004), "fast": clock.program(0.002)}
    comparison = compare(calls, {"slow": "fast"}, budget_s=1.0, seed=0)
    ratio = comparison.judged("slow")
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((2, 2, 2))
    assert comparison.seconds["slow"].value == pytest.approx(0.004)
    assert len(ratio.samples) == len(comparison.anchor.samples) == SECOND_LOOK
    # A round is 3 calls of 4 ms, 5 of 2 ms and 5 of the anchor's 2 ms.
    assert comparison.timed_s == pytest.approx(SECOND_LOOK * 0.032)
    assert comparison.flags == ()


def test_the_budget_ends_what_never_gets_precise(clock: Clock) -> None:
    generator = np.random.default_rng(0)
    erratic = clock.program(lambda: float(generator.uniform(0.002, 0.04)))
    calls = {"erratic": erratic, "steady": clock.program(0.001)}
    comparison = compare(calls, {"erratic": "steady"}, budget_s=2.0, seed=0)
    # Rounds last 0.24 s at most: 5 calls of the erratic program, 10 of the steady one, 5 of the anchor.
    assert 2.0 < comparison.timed_s < 2.24
    assert {"budget_exhausted", "noisy"} <= set(comparison.flags)


def test_an_interval_keeps_its_samples_in_order_and_counts_outliers() -> None:
    # Quartiles of 1, 1, 2, 2, 3, 3, 9: 1.5 and 3, so the fences are at -0.75 and 5.25, and 9 lies outside.
    interval = Interval.from_samples([3.0, 9.0, 1.0, 2.0, 2.0, 1.0, 3.0])
    assert interval.samples == (3.0, 9.0, 1.0, 2.0, 2.0, 1.0, 3.0)
    assert (interval.value, interval.outliers) == (2.0, 1)
    # Seven samples: P(median between smallest and largest) = 1 - 2/128, between the second of each end 1 - 16/128.
    assert 1.0 == interval.low <= interval.value
    assert interval.relative_width == pytest.approx((interval.high - interval.low) / 2 / 2.0)


def test_a_sample_is_long_against_the_clock_and_still_of_one_call(clock: Clock) -> None:
    taken = Sampler(clock.program(0.0005))
    assert taken.repeats == SHORTEST_SAMPLE_S / 0.0005 == 20
    assert taken.sample() == pytest.approx((0.0005, 0.0005))


class Scripted(Sampler):
    """A program whose samples are known."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds = iter(seconds)

    def sample(self) -> Sample:
        seconds = next(self.seconds)
        return Sample(seconds, seconds)


def test_ratios_are_of_samples_taken_in_the_same_round() -> None:
    # Every other round is three times slower for both: pairwise the ratio is 2 each time.
    slow = [1.0, 3.0] * 30
    samplers = {"a": Scripted([2 * s for s in slow]), "b": Scripted(slow), interleaved._ANCHOR: Scripted([1.0] * 60)}
    rounds, _, _ = interleaved._rounds(samplers, {"a": "b"}, budget_s=0.0, seed=0)
    ratios = interleaved._ratios(rounds.wall, {"a": "b"})["a"]
    assert (rounds.count, len(ratios.samples)) == (9, 9)
    assert (ratios.value, ratios.low, ratios.high) == (2, 2, 2)
    # Ratios and seconds have to be narrow on a machine of one's own, ratios of processor time on a shared one.
    assert not rounds.precise({"a": "b"}, by_processor_time=False)
    assert rounds.precise({"a": "b"}, by_processor_time=True)


def test_rounds_end_at_the_second_look_at_the_earliest_when_all_is_narrow() -> None:
    samplers = {name: Scripted([1.0] * 60) for name in ("a", "b", interleaved._ANCHOR)}
    rounds, _, precise = interleaved._rounds(samplers, {"a": "b"}, budget_s=60.0, seed=0)
    assert (rounds.count, precise) == (SECOND_LOOK, True)


def test_a_round_keeps_so_many_processors_busy_as_where_it_is_left_alone() -> None:
    rounds = interleaved._Rounds()
    # 6 s of processors' time in 3 s in two rounds of ten; in the others 4 s in 4 s. And never less than one.
    rounds.wall, rounds.cpu = (
        {"a": [2.0] * 8 + [1.0] * 2, "b": [2.0] * 10},
        {"a": [2.0] * 10, "b": [2.0] * 8 + [4.0] * 2},
    )
    assert rounds.processors() == pytest.approx(2.0)
    rounds.cpu = {"a": [0.5] * 10, "b": [0.5] * 10}
    assert rounds.processors() == 1.0


def test_the_order_of_a_round_is_drawn_from_the_seed(clock: Clock) -> None:
    def orders(seed: int) -> list[str]:
        seen: list[str] = []
        calls = {name: lambda name=name: seen.append(name) or clock.program(0.011)() for name in ("a", "b")}
        compare(calls, {"a": "b"}, budget_s=0.0, seed=seed)
        return seen[-18:]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def between(foreign: float) -> Circumstances:
    """Ten seconds on the processors here, of which others had this share."""
    from moebench.spec.machine import usable_cpus

    before = Reading(0.0, 0.0, 0.0, None, None, None)
    return Circumstances(before, Reading(10.0, 10 * foreign * usable_cpus() + 4, 4.0, None, None, None))


@pytest.mark.parametrize(("foreign", "judged"), [(0.0, 1.5), (0.05, 1.5), (0.4, 1.2)])
def test_on_shared_processors_processor_time_judges(foreign: float, judged: float) -> None:
    wall, cpu, anchor = (
        Interval.from_samples([1.5] * 9),
        Interval.from_samples([1.2] * 9),
        Interval.from_samples([1.0] * 9),
    )
    comparison = Comparison({"a": wall}, {"a": wall}, {"a": cpu}, anchor, (), between(foreign), 0.1, 1.0)
    assert comparison.judged("a").value == judged


def test_the_garbage_collector_is_back_afterwards(clock: Clock) -> None:
    assert gc.isenabled()
    compare({"a": clock.program(0.01), "b": clock.program(0.01)}, {"a": "b"}, budget_s=0.0, seed=0)
    assert gc.isenabled()
