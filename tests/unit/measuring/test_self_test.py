"""The ruler held to known lengths: how a verdict is read, the curve, and, at length, the real thing."""

import time

import pytest

from moebench.measuring import Comparison, Interval
from moebench.measuring.timing.machine_state import Circumstances, Reading
from moebench.measuring.timing.self_test import Detection, detections, read, slowed


def comparison(ratios: list[float]) -> Comparison:
    """Of A with B, whose samples took one second each, on a machine of its own."""
    still = Reading(0.0, None, 0.0, None, None, None)
    interval = Interval.from_samples(ratios)
    around = Circumstances(still, still)
    return Comparison(
        {"A": interval}, {"A": interval}, {"A": interval}, Interval.from_samples([1.0] * 9), (), around, 0.5, 1.5
    )


def test_a_reading_is_the_verdict_on_paired_samples() -> None:
    slower = read(0.1, comparison([1.09, 1.10, 1.11] * 4))
    assert (slower.effect, slower.verdict, slower.seconds) == (0.1, "higher", 2.0)
    assert slower.test.ratio.value == pytest.approx(1.1, abs=0.005)
    # Real, but within 5 %.
    assert read(0.02, comparison([1.019, 1.02, 1.021] * 4)).verdict == "no difference that matters"
    assert read(0.0, comparison([0.8, 1.25] * 6)).verdict == "not significant"


def test_the_curve_counts_what_was_found_at_each_effect() -> None:
    same, slow, fast = [0.99, 1.0, 1.01] * 4, [1.09, 1.10, 1.11] * 4, [0.89, 0.90, 0.91] * 4
    readings = [read(0.0, comparison(r)) for r in (same, same, same, fast)]
    readings += [read(0.1, comparison(r)) for r in (slow, slow, fast)]
    none, tenth = detections(readings)
    # With nothing planted a finding in either direction is false; a planted slow-down is not found as a speed-up.
    assert (none.effect, none.repeats, none.found, none.share) == (0.0, 4, 1, 0.25)
    assert (tenth.effect, tenth.repeats, tenth.found) == (0.1, 3, 2)
    assert tenth.estimate == pytest.approx(0.1, abs=0.005)
    assert not none.passed
    assert not tenth.passed


@pytest.mark.parametrize(
    ("effect", "found", "passed"),
    [(0.0, 1, True), (0.0, 2, False), (0.02, 0, True), (0.05, 18, True), (0.05, 17, False), (0.1, 19, False)],
)
def test_what_is_asked_of_each_effect(effect: float, found: int, passed: bool) -> None:
    assert Detection(effect, 20, found, effect).passed is passed


def test_a_planted_slow_down_is_work_of_the_share_asked_for() -> None:
    def program() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    worked = time.thread_time()
    slowed(program, 0.5)()
    assert time.thread_time() - worked == pytest.approx(0.03, rel=0.1)


@pytest.mark.slow
def test_the_ruler_finds_what_it_should_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    from moebench.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["check", "--timing"])
    assert not ended.value.code, capsys.readouterr().out
