"""What other processes are told of a run, and how a dead driver is known."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from results_rows import finish

from moebench.results import RunStatus, Store, statuses


def test_a_status_comes_back_as_it_was_published(tmp_path: Path) -> None:
    status = RunStatus("small", "r1", 5, ended={"ok": 2}, running={"soft": 100.0}, seconds_left=30.0)
    status.publish(tmp_path)
    assert list(statuses(tmp_path)) == list(statuses(tmp_path, "small")) == [status]
    assert list(statuses(tmp_path, "other")) == []
    assert status.is_alive(tmp_path)
    status.withdraw(tmp_path)
    assert list(statuses(tmp_path)) == []


def test_pandas_does_not_see_the_status(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a", seeds=(0,))
    store.seal("r1")
    RunStatus("small", "r2", 5).publish(tmp_path)
    assert len(pd.read_parquet(store.folder)) == 1
    assert store.strangers() == []


def test_a_driver_that_is_gone_is_dead(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not RunStatus("small", "r1", 5, pid=gone.pid).is_alive(tmp_path)
    # This process has the number, but began later than the one that published.
    assert not RunStatus("small", "r1", 5, pid=os.getpid(), pid_began=1.0).is_alive(tmp_path)


def test_a_driver_on_another_machine_is_dead_when_it_falls_silent(tmp_path: Path) -> None:
    status = RunStatus("small", "r1", 5, host="elsewhere", pid=1)
    status.publish(tmp_path)
    assert status.is_alive(tmp_path)
    path = status.path(tmp_path)
    os.utime(path, (time.time() - 121, time.time() - 121))
    assert not status.is_alive(tmp_path)
    status.touch(tmp_path)
    assert status.is_alive(tmp_path)
    path.unlink()
    assert not status.is_alive(tmp_path)


def test_a_broken_status_is_passed_over(tmp_path: Path) -> None:
    RunStatus("small", "r1", 5).publish(tmp_path)
    folder = tmp_path / "_files" / "small" / "running"
    (folder / "broken.json").write_text("{")
    (folder / "later.json").write_text('{"of": "a later version"}')
    assert [status.run_id for status in statuses(tmp_path)] == ["r1"]
