"""What the timing self-test keeps for the intervals of the cells of its machine."""

import math
import platform
from pathlib import Path

import pytest

from moebench.cells.self_test_record import known_scatter, remember_scatter
from moebench.measuring.timing.self_test import Reading
from moebench.statistics import signed_rank


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    return tmp_path


def reading(ratio: float) -> Reading:
    """A timing without an effect whose samples are all one ratio, so that nothing scatters within the timing."""
    return Reading(0.0, "not significant", signed_rank([ratio] * 20), 1.0, (), 0.0)


def test_scatter_is_kept_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_scatter() is None
    # Ratios of a program to itself, 2 % above and below 1: the mean of their squared logarithms is 0.02².
    path = remember_scatter([reading(math.exp(0.02 * sign)) for sign in (1, -1, 1, -1, 1, -1)])
    assert path is not None
    assert known_scatter() == pytest.approx(0.02)
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert known_scatter() is None


def test_few_timings_tell_nothing() -> None:
    assert remember_scatter([reading(1.1), reading(0.9)]) is None
    assert known_scatter() is None


def test_a_damaged_record_counts_for_none() -> None:
    path = remember_scatter([reading(1.0)] * 6)
    assert path is not None
    path.write_text('{"scatter": "much"}', encoding="utf-8")
    assert known_scatter() is None


def test_a_cache_that_is_a_file_keeps_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MOEBENCH_CACHE", str(cache / "file"))
    assert remember_scatter([reading(1.0)] * 6) is None
    assert known_scatter() is None
