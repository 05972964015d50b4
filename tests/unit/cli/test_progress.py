"""What a pipe shows of a run: a line for each cell that ends, and one at least so often."""

import io
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from moebench.cli import progress
from moebench.suites.run import CellEnded, CellStarted


class Lines(io.StringIO):
    """What is printed, and a mark as soon as a text is among it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.found = text, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.text in self.getvalue():
            self.found.set()
        return written


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (("ok", None, 0.881), "accuracy 88.1 %"),
        (("ok", None, 0.992, "zero_shot_seen"), "zero-shot accuracy, seen 99.2 %"),
        (("ok", None, None), "done"),
        (("timeout", "after 3 s", 0.5), "timeout: after 3 s (other seeds: accuracy 50.0 %)"),
    ],
)
def test_a_cell_ends_with_what_it_was_tested_by(ended: tuple[Any, ...], words: str) -> None:
    planned: Any = SimpleNamespace()
    assert progress.outcome(CellEnded(planned, 1.0, *ended)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "estimating the time left"),
        (0.0, "about 10 s left"),  # a cell that takes longer than estimated is not at its end
        (31.0, "about 40 s left"),
        (121.0, "about 3 min left"),
    ],
)
def test_the_time_left_is_as_coarse_as_it_is_known(seconds: float | None, words: str) -> None:
    assert progress.time_left(seconds) == words


def test_a_pipe_is_told_what_runs_although_no_cell_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE_S", 0.01)
    log = tmp_path / "cell.log"
    log.write_text("compiling\nstep 20 of 300\n")
    planned: Any = SimpleNamespace(label="soft[experts=4]")
    lines = Lines("[0/2] running: soft[experts=4]: step 20 of 300, estimating the time left\n")
    with progress.watching(Console(file=lines, width=80), ["soft[experts=4]", "dense"]) as watch:
        watch(CellStarted(planned, log))
        assert lines.found.wait(10)
        watch(CellEnded(planned, 83.0, "ok", None, 0.881))
    assert "[1/2] soft[experts=4]: accuracy 88.1 %, 1 min 23 s, " in lines.getvalue()
    assert threading.active_count() == 1 or all("remind" not in each.name for each in threading.enumerate())
