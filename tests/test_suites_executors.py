"""The local executor: every way in which a cell can end, and that nothing outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moebench.errors import BadInput
from moebench.suites import executors
from moebench.suites.executors import Ended, ExecutorError, Job, LocalExecutor, Started, memory
from moebench.suites.executors.capped_log import HEAD_BYTES, TAIL_BYTES, CappedLog
from moebench.suites.limits import Limits

SPEC = {"router": "soft", "options": {}, "model": "mu/2", "data": "digits", "steps": 1, "seeds": [0]}
LIMITS = Limits(30.0)
IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(cell_program="fake_cell") as local:
        yield local


def job(folder: Path, behave: str | None = None, limits: Limits = LIMITS, name: str = "cell") -> Job:
    spec = folder / f"{name}.json"
    asked = {**SPEC, "options": {"behave": behave} if behave else {}}
    spec.write_text(json.dumps({"spec": asked, "identity": IDENTITY}))
    return Job(name, spec, folder / f"{name}.parquet", folder / f"{name}.log", limits)


def end(executor: LocalExecutor, one: Job) -> Ended:
    started, ended = executor.run([one])
    assert isinstance(started, Started)
    assert isinstance(ended, Ended)
    return ended


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process whose parent has not waited for it yet counts as gone.
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").is_dir() else True


def gone(pids: list[int], within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def printed_pids(log: Path, within_s: float = 10.0) -> list[int]:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if log.exists() and "\n" in (text := log.read_text()):
            return [int(pid) for pid in text.split()[1:3]]
        time.sleep(0.02)
    raise AssertionError(f"nothing in {log}")


def test_a_cell_leaves_its_rows_and_its_log(executor: LocalExecutor, tmp_path: Path) -> None:
    ended = end(executor, job(tmp_path))
    assert (ended.status, ended.reason) == (None, None)
    assert (tmp_path / "cell.parquet").exists()
    assert "wrote 1 rows" in (tmp_path / "cell.log").read_text()


@pytest.mark.parametrize(
    ("behave", "status", "reason"),
    [
        ("crash", "crashed", "exit code 1: ValueError: planted crash"),
        ("segv", "crashed", "killed by SIGSEGV"),
        ("exit", "crashed", "ended without writing its rows"),
        ("shout", "crashed", "exit code 3: last words"),
        ("memory", "oom", "MemoryError: planted"),
    ],
)
def test_each_bad_end_has_its_status_and_reason(
    executor: LocalExecutor, tmp_path: Path, behave: str, status: str, reason: str
) -> None:
    ended = end(executor, job(tmp_path, behave))
    assert ended.status == status
    assert ended.reason == reason


def test_a_shouting_cell_does_not_fill_the_disk(executor: LocalExecutor, tmp_path: Path) -> None:
    end(executor, job(tmp_path, "shout"))  # prints 64 MiB
    log = (tmp_path / "cell.log").read_bytes()
    assert len(log) < HEAD_BYTES + TAIL_BYTES + 100
    assert log.startswith(b"first words")
    assert log.rstrip().endswith(b"last words")


def test_a_hanging_cell_is_killed_at_its_limit_with_its_children(executor: LocalExecutor, tmp_path: Path) -> None:
    ended = end(executor, job(tmp_path, "hang", Limits(3.0)))
    assert ended.status == "timeout"
    assert "time limit of 3 s" in str(ended.reason)
    assert 2.9 < ended.seconds < 20
    assert gone(printed_pids(tmp_path / "cell.log"))


@pytest.mark.parametrize("behave", ["allocate", "allocate-in-child"])
def test_a_cell_that_allocates_without_bound_is_killed_at_its_limit(
    executor: LocalExecutor, tmp_path: Path, behave: str
) -> None:
    ended = end(executor, job(tmp_path, behave, Limits(30.0, memory_limit_gib=0.5)))
    assert (ended.status, ended.reason) == ("oom", "stopped at its memory limit of 0.5 GiB")
    assert gone(printed_pids(tmp_path / "cell.log"))


def test_without_a_limit_cells_share_what_the_machine_has() -> None:
    whole = memory.usable_bytes()
    assert whole > 1 << 30
    # Nine tenths of it, in halves.
    assert memory.limit_bytes(Limits(), side_by_side=2) == int(0.9 * whole / 2)
    assert memory.limit_bytes(Limits(memory_limit_gib=1.5), side_by_side=2) == 3 << 29


def test_a_failed_cell_does_not_stop_the_others(executor: LocalExecutor, tmp_path: Path) -> None:
    jobs = [job(tmp_path, "crash", name="one"), job(tmp_path, name="two")]
    ends = [event for event in executor.run(jobs) if isinstance(event, Ended)]
    assert [(event.job.name, event.status) for event in ends] == [("one", "crashed"), ("two", None)]


def test_closing_stops_the_running_cell(tmp_path: Path) -> None:
    with LocalExecutor(cell_program="fake_cell") as local:
        next(local.run([job(tmp_path, "hang")]))
        pids = printed_pids(tmp_path / "cell.log")
        assert all(map(alive, pids))
    assert gone(pids)


def test_a_killed_driver_takes_its_cell_with_it(tmp_path: Path) -> None:
    one = job(tmp_path, "hang")
    driver = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from moebench.suites.executors import Job, LocalExecutor\n"
            "from moebench.suites.limits import Limits\n"
            "local = LocalExecutor(cell_program='fake_cell')\n"
            "list(local.run([Job('cell', *map(Path, sys.argv[1:]), Limits())]))",
            *map(str, (one.spec, one.out, one.log)),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )
    pids = printed_pids(one.log)
    driver.kill()
    driver.wait()
    assert gone(pids)


def test_a_killed_server_takes_its_cell_with_it_and_the_next_job_runs(tmp_path: Path) -> None:
    with LocalExecutor(cell_program="fake_cell") as local:
        events = local.run([job(tmp_path, "hang", name="one"), job(tmp_path, name="two")])
        next(events)
        pids = printed_pids(tmp_path / "one.log")
        os.kill(local._workers._server.pid, signal.SIGKILL)
        ends = [event for event in events if isinstance(event, Ended)]
    assert [(event.job.name, event.status) for event in ends] == [("one", "crashed"), ("two", None)]
    assert gone(pids)


def test_a_cell_program_that_cannot_be_imported_is_one_sentence() -> None:
    with LocalExecutor(cell_program="no_such_program") as local, pytest.raises(ExecutorError) as raised:
        local.environment()
    assert "No module named 'no_such_program'" in str(raised.value)


def test_more_jobs_than_devices_are_refused_with_the_reason() -> None:
    with (
        LocalExecutor(jobs=2, cell_program="fake_cell") as local,
        pytest.raises(BadInput, match=r"--jobs 2 .* processors, which are one device"),
    ):
        local.environment()  # asked for before a dry run too


def test_each_cell_gets_a_device_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PLATFORM", "gpu")
    monkeypatch.setenv("FAKE_DEVICES", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with LocalExecutor(cell_program="fake_cell") as local:
        events = list(local.run([job(tmp_path, name=name) for name in ("one", "two")]))
    assert [type(event) for event in events[:2]] == [Started, Started]
    logs = [(tmp_path / f"{name}.log").read_text().split()[-1] for name in ("one", "two")]
    assert sorted(logs) == ["4", "7"]


def test_an_executor_of_the_future_is_one_clear_sentence() -> None:
    with pytest.raises(BadInput, match="'ray' is not part of this version; use --executor local"):
        executors.create("ray")
    with pytest.raises(BadInput, match="unknown executor 'locl': did you mean 'local'"):
        executors.create("locl")


def test_a_capped_log_says_what_it_left_out(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log")
    log.write(b"a" * HEAD_BYTES)
    log.write(b"b" * 10 + b"c" * TAIL_BYTES)
    log.close()
    # The head is full of a; of the 10 b and 65,536 c that follow, the 10 b do not fit into the tail.
    kept = (tmp_path / "log").read_bytes()
    assert kept == b"a" * HEAD_BYTES + b"\n[... 10 bytes left out ...]\n" + b"c" * TAIL_BYTES
