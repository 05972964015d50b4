"""`moebench check --timing`: the curve, its words and its exit code, of readings made by hand."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from moebench.cells import timing_check
from moebench.cli import main
from moebench.measuring.timing import self_test
from moebench.measuring.timing.self_test import Reading, expected_s
from moebench.statistics import signed_rank


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, in which the scatter that the self-test finds is kept."""
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    return tmp_path


def reading(effect: float, verdict: str, other_process_share: float = 0.25) -> Reading:
    test = signed_rank([1.0 + effect] * 20)
    return Reading(effect, verdict, test, 3.75, ("budget_exhausted",), other_process_share)


def taking(monkeypatch: pytest.MonkeyPatch, missed: int, interrupt: bool = False) -> None:
    """Let the timings find everything but so many slow-downs of 5 %."""

    def readings(repeats: int) -> Iterator[Reading]:
        for repeat in range(repeats):
            yield reading(0.0, "not significant", 0.5 if repeat else 0.1)
            yield reading(0.05, "not significant" if repeat < missed else "higher")
            yield reading(0.1, "higher")
            yield reading(0.02, "no difference that matters")
            if interrupt:
                raise KeyboardInterrupt

    monkeypatch.setattr(timing_check, "check_timing", readings)


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    return int(ended.value.code or 0)


def test_the_curve_as_a_table_with_progress_beside_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taking(monkeypatch, missed=2)
    assert called("--timing") == 0
    printed = capsys.readouterr()
    # 80 timings of 3 s, and a quarter of that at most for the warm-up: 300 s; with patience 3 + 1/4 budgets, 780 s.
    assert "up to 5 min 00 s if no other process uses the processors, up to 13 min 00 s" in printed.err
    assert "1 of 80, none (A against A): not significant, about" in printed.err
    assert printed.err.rstrip().endswith("80 of 80, 2%: no difference that matters")
    rows = [line.split() for line in printed.out.splitlines()]
    assert rows[1][:8] == ["none", "(A", "against", "A)", "0", "of", "20", "0%"]
    assert "at most 5%" in printed.out.splitlines()[1]
    # 18 of 20; by Clopper and Pearson 68 to 99 %.
    assert "18 of 20    90%     68% to 99%  at least 90%  ok" in printed.out
    # Of the 80 shares, 60 are 0.25, one 0.1 and 19 a half.
    *_, processors, kept = printed.out.splitlines()
    assert processors == "Other processes had 25% of the processors, from 10% to 50%."
    # All timings of one effect found the same ratio.
    assert kept.startswith("Scatter between timings: 0.0%, kept for the intervals of this machine's cells in ")


def test_json_has_every_timing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    taking(monkeypatch, missed=3)
    assert called("--timing", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert not record["passed"]
    assert [(point["effect"], point["found"], point["passed"]) for point in record["curve"]] == [
        (0.0, 0, True),
        (0.02, 0, True),
        (0.05, 17, False),
        (0.1, 20, True),
    ]
    assert len(record["timings"]) == 80
    assert record["timings"][2]["ratio"][0] == pytest.approx(1.1)
    assert {"cpu", "cpu_count", "jax_version"} <= set(record["environment"])


def test_interrupted_it_shows_what_it_has(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    taking(monkeypatch, missed=0, interrupt=True)
    assert called("--timing") == 130
    assert "1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--json"], "--json is for --timing"), (["mine.py", "--timing"], "takes no file and no plugin")],
)
def test_what_does_not_belong_together_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(*arguments) == 2
    assert message in capsys.readouterr().err


def test_the_expected_time_by_hand() -> None:
    # Two repeats of four effects at 2 s: 8 · 2.5 s alone, 8 · 6.5 s at most.
    assert self_test.WARM_UP == 0.25
    assert expected_s(2.0, repeats=2) == (20.0, 52.0)
