"""The stopwatch: paired samples, ratios, precision and budget, and the interval it reports."""

import gc
import time
from collections.abc import Callable

import numpy as np
import pytest

from moebench.measuring import Comparison, Interval, compare
from moebench.measuring.timing import interleaved
from moebench.measuring.timing.machine_state import Circumstances, Reading
from moebench.measuring.timing.sampler import SHORTEST_SAMPLE_S, Sample, Sampler


def sleeper(seconds: float) -> Callable[[], float]:
    """A program that works for a known time, on a processor of its own or not."""

    def call() -> float:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        return seconds

    return call


def test_a_program_twice_as_slow_is_twice_as_slow() -> None:
    comparison = compare({"slow": sleeper(0.004), "fast": sleeper(0.002)}, {"slow": "fast"}, budget_s=1.0, seed=0)
    ratio = comparison.judged("slow")
    assert ratio.value == pytest.approx(2, rel=0.05)
    assert ratio.low <= ratio.value <= ratio.high
    assert len(ratio.samples) >= 9
    assert len(comparison.anchor.samples) == len(ratio.samples)
    assert comparison.timed_s >= 9 * 2 * SHORTEST_SAMPLE_S


def test_the_budget_ends_what_never_gets_precise() -> None:
    generator = np.random.default_rng(0)

    def erratic() -> float:
        return sleeper(float(generator.uniform(0.002, 0.04)))()

    began = time.perf_counter()
    comparison = compare({"erratic": erratic, "steady": sleeper(0.001)}, {"erratic": "steady"}, budget_s=0.5, seed=0)
    assert time.perf_counter() - began < 30
    assert "budget_exhausted" in comparison.flags
    assert "noisy" in comparison.flags


def test_an_interval_keeps_its_samples_in_order_and_counts_outliers() -> None:
    # Quartiles of 1, 1, 2, 2, 3, 3, 9: 1.5 and 3, so the fences are at -0.75 and 5.25, and 9 lies outside.
    interval = Interval.from_samples([3.0, 9.0, 1.0, 2.0, 2.0, 1.0, 3.0])
    assert interval.samples == (3.0, 9.0, 1.0, 2.0, 2.0, 1.0, 3.0)
    assert (interval.value, interval.outliers) == (2.0, 1)
    # Seven samples: P(median between smallest and largest) = 1 - 2/128, between the second of each end 1 - 16/128.
    assert 1.0 == interval.low <= interval.value
    assert interval.relative_width == pytest.approx((interval.high - interval.low) / 2 / 2.0)


def test_a_sample_is_long_against_the_clock_and_still_of_one_call() -> None:
    sampler = Sampler(sleeper(0.0005))
    assert sampler.repeats * 0.0005 >= SHORTEST_SAMPLE_S * 0.5
    sample = sampler.sample()
    assert sample.cpu_s == pytest.approx(0.0005, rel=0.2)
    assert sample.wall_s >= 0.0005


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
    assert (rounds.count, precise) == (interleaved.FIRST_LOOK, True)


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


def test_the_order_of_a_round_is_drawn_from_the_seed() -> None:
    def orders(seed: int) -> list[str]:
        seen: list[str] = []
        calls = {name: lambda name=name: seen.append(name) or sleeper(0.011)() for name in ("a", "b")}
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


def test_the_garbage_collector_is_back_afterwards() -> None:
    assert gc.isenabled()
    compare({"a": sleeper(0.01), "b": sleeper(0.01)}, {"a": "b"}, budget_s=0.0, seed=0)
    assert gc.isenabled()
