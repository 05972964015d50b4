"""What is said while a program is compiled."""

import time

import pytest

from moebench.planning import jobs


def test_a_long_compilation_is_reported_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SAY_EVERY_S", 0.001)
    lines: list[str] = []
    with jobs.reminding(lines.append, "a step"):
        while len(lines) < 2:
            time.sleep(0.001)
    count = len(lines)
    assert lines[0] == "compiling a step: 0 s so far"
    time.sleep(0.01)
    assert len(lines) == count
