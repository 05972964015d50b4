"""The Ray executor on a cluster of this machine; skipped where Ray is not installed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from example_scripts import SUITE, commands, run
from executor_jobs import end, gone, job, printed_pids
from paths import SUPPORT

from moebench.executors import Ended, Started
from moebench.executors.base import ExecutorError
from moebench.executors.ray import RayExecutor
from moebench.results import load
from moebench.spec.limits import Limits

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'moebench[ray]'")
pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(SUPPORT))
    with RayExecutor(cell_program="fake_cell") as one:
        yield one
    patch.undo()


def holder(pid: int) -> psutil.Process:
    """The Ray process that a cell runs under: the parent of its server."""
    found: psutil.Process = psutil.Process(pid).parent().parent()
    return found


def test_the_device_and_the_cells_are_asked_about_in_a_task(executor: RayExecutor) -> None:
    assert executor.environment()["device_kind"] == "fake"
    specs = [{"router": "soft", "options": {}, "model": "m", "data": "d", "steps": 1}, {"router": "sofd"}]
    good, bad = executor.resolve(specs)
    assert good["label"] == "soft"
    assert bad["key"] == "router"


def test_a_cell_leaves_its_rows_and_its_log(executor: RayExecutor, tmp_path: Path) -> None:
    ended = end(executor, job(tmp_path))
    assert (ended.status, ended.reason) == (None, None)
    assert (tmp_path / "cell.parquet").exists()
    assert "wrote 1 rows" in (tmp_path / "cell.log").read_text()


@pytest.mark.parametrize(
    ("behave", "limits", "status", "reason"),
    [
        ("crash", Limits(30.0), "crashed", "exit code 1: ValueError: planted crash"),
        ("hang", Limits(1.0), "timeout", "stopped at its time limit of 1 s"),
        ("allocate", Limits(30.0, 0.4), "oom", "stopped at its memory limit of 0.4 GiB"),
    ],
)
def test_each_bad_end_has_its_status_and_reason(
    executor: RayExecutor, tmp_path: Path, behave: str, limits: Limits, status: str, reason: str
) -> None:
    jobs = [job(tmp_path, behave, limits), job(tmp_path, name="next")]
    ends = {event.job.name: event for event in executor.run(jobs) if isinstance(event, Ended)}
    assert (ends["cell"].status, ends["cell"].reason) == (status, reason)
    assert ends["next"].status is None


def test_a_lost_cell_is_placed_once_more(executor: RayExecutor, tmp_path: Path) -> None:
    log = tmp_path / "cell.log"
    events = executor.run([job(tmp_path, "hang")])
    assert isinstance(next(events), Started)
    first = printed_pids(log)
    log.unlink()
    holder(first[0]).kill()
    got: list[Any] = []
    # The second loss comes while the executor waits, so another process has to bring it about.
    pid = os.fork()
    if not pid:
        holder(printed_pids(log, 60.0)[0]).kill()
        os._exit(0)
    got = list(events)
    os.waitpid(pid, 0)
    (ended,) = got
    assert ended.status == "crashed"
    assert str(ended.reason).startswith("lost twice with the node that it ran on: ")
    assert gone(first)


def test_closing_stops_the_running_cell(executor: RayExecutor, tmp_path: Path) -> None:
    events = executor.run([job(tmp_path, "hang")])
    next(events)
    pids = printed_pids(tmp_path / "cell.log")
    events.close()
    assert gone(pids)


def test_a_cell_program_that_cannot_be_imported_is_said(executor: RayExecutor) -> None:
    with RayExecutor(cell_program="no_such_program") as other, pytest.raises(ExecutorError, match="no_such_program"):
        other.environment()


def test_the_example_runs_a_suite_on_the_cluster_that_an_address_names(executor: RayExecutor, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    # What the driver inherits shows where cells ran: those of the cluster inherit from whoever started it.
    address = ray.get_runtime_context().gcs_address
    here = {**commands(tmp_path), "RAY_ADDRESS": address, "FAKE_PLATFORM": "the driver's"}
    placed = run("cluster/ray.sh", "tiny.yaml", "results", where=tmp_path, environment=here)
    assert placed.returncode == 0, placed.stdout + placed.stderr
    rows = load(tmp_path / "results", "tiny")
    assert rows["status"].tolist() == 6 * ["ok"]
    assert set(rows["platform"]) == {"cpu"}
