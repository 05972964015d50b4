"""The Slurm executor with a Slurm of this machine's own; skipped where submitit is not installed."""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from executor_jobs import end, gone, job, printed_pids
from paths import SUPPORT

from moebench.executors import Ended, Started
from moebench.executors.base import ExecutorError
from moebench.executors.slurm import SlurmExecutor
from moebench.spec.limits import Limits

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'moebench[slurm]'")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fake Slurm, whose commands are found first."""
    home, commands = tmp_path / "slurm", tmp_path / "bin"
    home.mkdir()
    commands.mkdir()
    source = (SUPPORT / "fake_slurm.py").read_text()
    for name in ("sbatch", "sacct", "scancel", "sinfo", "srun"):
        (commands / name).write_text(f"#!{sys.executable}\n{source}")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(home))
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # submitit waits so long for the result of a job that ended, which a shared disk may bring late.
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 1)
    return home


def executor(jobs: int | None = None) -> SlurmExecutor:
    return SlurmExecutor(jobs, cell_program="fake_cell", poll_s=0.1)


def test_the_device_and_the_cells_are_asked_about_in_jobs(slurm: Path) -> None:
    with executor() as one:
        assert one.environment()["device_kind"] == "fake"
        (answer,) = one.resolve([{"router": "sofd"}])
    assert answer["key"] == "router"
    # A node without GPUs is one device.
    assert "#SBATCH --exclusive" in next(slurm.glob("script-*")).read_text()


def test_cells_of_one_resource_class_are_one_array(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GRES", "gpu:h200:8")
    small, large = Limits(30.0), Limits(90.0, memory_limit_gib=4.0)
    jobs = [job(tmp_path, limits=small, name="one"), job(tmp_path, limits=large, name="two")]
    jobs += [job(tmp_path, "crash", limits=small, name="three")]
    jobs += [replace(job(tmp_path, limits=large, name="wide"), devices=4)]
    with executor(jobs=2) as one:
        events = list(one.run(jobs))
    ends = {event.job.name: (event.status, event.reason) for event in events if isinstance(event, Ended)}
    assert ends == {
        "one": (None, None),
        "two": (None, None),
        "three": ("crashed", "exit code 1: ValueError: planted crash"),
        "wide": (None, None),
    }
    assert [type(event) for event in events].count(Started) == 4
    first, second, wide = (path.read_text() for path in sorted(slurm.glob("script-*")))
    assert "#SBATCH --array=0-1%2" in first
    # 30 s and 5 minutes of grace are 6 minutes, begun ones counted whole; 90 s and 5 minutes are 7.
    assert "#SBATCH --time=6" in first
    assert "#SBATCH --array" not in second, "one job needs none"
    assert "#SBATCH --time=7" in second
    assert "#SBATCH --mem=5GB" in second
    assert all("#SBATCH --gpus-per-node=1" in script for script in (first, second))
    assert "#SBATCH --gpus-per-node=4" in wide


def test_closing_cancels_what_is_left(slurm: Path, tmp_path: Path) -> None:
    with executor() as one:
        events = one.run([job(tmp_path, "hang", Limits(60.0))])
        assert isinstance(next(events), Started)
        pids = printed_pids(tmp_path / "cell.log", 30.0)
        events.close()
    assert gone(pids)
    (task,) = (path.name.removeprefix("pid-") for path in slurm.glob("pid-*"))
    assert f"scancel {task}\n" in (slurm / "commands").read_text()


def test_a_cell_whose_node_fails_is_submitted_once_more(slurm: Path, tmp_path: Path) -> None:
    log = tmp_path / "cell.log"

    def fail_twice() -> None:
        for _ in range(2):
            printed_pids(log, 60.0)
            log.unlink()
            newest = max(slurm.glob("pid-*"))
            os.killpg(int(newest.read_text()), signal.SIGKILL)
            newest.with_name(newest.name.replace("pid", "state")).write_text("NODE_FAIL")

    failing = threading.Thread(target=fail_twice)
    failing.start()
    with executor() as one:
        ended = end(one, job(tmp_path, "hang", Limits(60.0)))
    failing.join()
    assert ended.status == "crashed"
    assert "ended as NODE_FAIL" in str(ended.reason)
    assert len(list(slurm.glob("script-*"))) == 2


def test_a_cell_program_that_cannot_be_imported_is_said(slurm: Path) -> None:
    with SlurmExecutor(cell_program="no_such_program") as one, pytest.raises(ExecutorError, match="no_such_program"):
        one.environment()


def test_submitits_own_local_cluster_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with SlurmExecutor(cell_program="fake_cell", cluster="local", poll_s=0.1) as one:
        ended = end(one, job(tmp_path))
    assert (ended.status, ended.reason) == (None, None)
    assert "wrote 1 rows" in (tmp_path / "cell.log").read_text()
