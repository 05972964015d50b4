"""The local executor: every way in which a cell can end, and that nothing outlives it."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from executor_jobs import LIMITS, alive, end, gone, job, printed_pids
from paths import SUPPORT

from moebench import executors
from moebench.errors import BadInput
from moebench.executors import Ended, ExecutorError, LocalExecutor, Started, memory_limit
from moebench.executors.log_file import HEAD_BYTES, TAIL_BYTES, CappedLog
from moebench.executors.process_pool import Workers
from moebench.executors.remote import run_here
from moebench.spec.limits import Limits


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(cell_program="fake_cell") as local:
        yield local


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_a_cell_frees_is_there_when_it_allocates_again(executor: LocalExecutor, tmp_path: Path) -> None:
    end(executor, job(tmp_path, "free-and-allocate"))
    pages = [int(line.split()[1]) for line in (tmp_path / "cell.log").read_text().splitlines() if "pages" in line]
    # 80 MiB are 20,480 pages of 4 KiB, or 40 of 2 MiB; a thread itself needs a few.
    assert max(pages[1:]) < 40, pages


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
    assert gone(printed_pids(tmp_path / "cell.log"))


@pytest.mark.parametrize("behave", ["allocate", "allocate-in-child", "allocate-in-session"])
def test_a_cell_that_allocates_without_bound_is_killed_at_its_limit(
    executor: LocalExecutor, tmp_path: Path, behave: str
) -> None:
    ended = end(executor, job(tmp_path, behave, Limits(30.0, memory_limit_gib=0.5)))
    assert (ended.status, ended.reason) == ("oom", "stopped at its memory limit of 0.5 GiB")
    assert gone(printed_pids(tmp_path / "cell.log"))


@pytest.mark.parametrize("behave", ["hang-with-session", "leave-session", "leave-daemon"])
def test_what_a_cell_started_in_another_session_ends_with_it(
    executor: LocalExecutor, tmp_path: Path, behave: str
) -> None:
    ended = end(executor, job(tmp_path, behave, Limits(8.0)))
    assert ended.status == ("timeout" if behave == "hang-with-session" else None)
    assert gone(printed_pids(tmp_path / "cell.log"))


def test_closing_ends_what_the_running_cell_started_in_another_session(tmp_path: Path) -> None:
    with LocalExecutor(cell_program="fake_cell") as local:
        next(local.run([job(tmp_path, "hang-with-session")]))
        pids = printed_pids(tmp_path / "cell.log")
        assert all(map(alive, pids))
    assert gone(pids)


def test_cells_side_by_side_lose_only_their_own_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_DEVICES", "2")
    monkeypatch.setenv("FAKE_PLATFORM", "gpu")
    with LocalExecutor(2, cell_program="fake_cell") as local:
        # The first ends after a second, while the second hangs with a process of its own.
        events = local.run([job(tmp_path, "leave-session", name="one"), job(tmp_path, "hang-with-session", name="two")])
        ended = next(event for event in events if isinstance(event, Ended))
        assert (ended.job.name, ended.status) == ("one", None)
        assert gone(printed_pids(tmp_path / "one.log"))
        others = printed_pids(tmp_path / "two.log")
        assert all(map(alive, others))
    assert gone(others)


def test_without_a_limit_cells_share_what_the_machine_has() -> None:
    whole = memory_limit.usable_bytes()
    assert whole > 1 << 30
    # Nine tenths of it, in halves.
    assert memory_limit.limit_bytes(Limits(), share=0.5) == int(0.9 * whole / 2)
    assert memory_limit.limit_bytes(Limits(memory_limit_gib=1.5), share=0.5) == 3 << 29


def test_a_job_or_container_within_the_machine_sets_the_limit(tmp_path: Path) -> None:
    for path, text in [
        ("memory.max", "max"),
        ("slurm/memory.max", "8000"),
        ("slurm/job/memory.max", "9000"),
        ("memory/docker/memory.limit_in_bytes", "7000"),
    ]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert sorted(memory_limit.cgroup_limits("0::/slurm/job\n", tmp_path)) == [8000, 9000]
    assert list(memory_limit.cgroup_limits("3:cpuset:/docker\n4:memory:/docker\n", tmp_path)) == [7000]
    assert list(memory_limit.cgroup_limits("0::/\n", tmp_path)) == []


def test_a_failed_cell_does_not_stop_the_others(executor: LocalExecutor, tmp_path: Path) -> None:
    jobs = [job(tmp_path, "crash", name="one"), job(tmp_path, name="two")]
    ends = {event.job.name: event.status for event in executor.run(jobs) if isinstance(event, Ended)}
    assert ends == {"one": "crashed", "two": None}


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
            "import sys; from pathlib import Path; from moebench.executors import Job, LocalExecutor\n"
            "from moebench.spec.limits import Limits\n"
            "local = LocalExecutor(cell_program='fake_cell')\n"
            "list(local.run([Job('cell', *map(Path, sys.argv[1:]), Limits())]))",
            *map(str, (one.spec, one.out, one.log)),
        ],
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
    )
    pids = printed_pids(one.log)
    driver.kill()
    driver.wait()
    assert gone(pids)


def test_a_killed_server_takes_its_cell_with_it_and_the_next_job_runs(tmp_path: Path) -> None:
    with LocalExecutor(jobs=1, cell_program="fake_cell") as local:
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which pages are shared")
def test_mapped_files_are_no_memory_that_a_cell_takes(tmp_path: Path) -> None:
    # 64 MB of a mapped file, each page of it read, and 32 MB of the process's own.
    program = (
        "import mmap, os, sys\n"
        "from moebench.executors.process_tree import ProcessTree\n"
        "tree = ProcessTree()\n"
        "tree.add(os.getpid())\n"
        "before = tree.memory(os.getpid())\n"
        "file = open(sys.argv[1], 'rb')\n"
        "mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "sum(mapped[::4096])\n"
        "print(tree.memory(os.getpid()) - before)\n"
        "own = bytearray(b'1') * (32 << 20)\n"
        "print(tree.memory(os.getpid()) - before)\n"
    )
    large = tmp_path / "large"
    large.write_bytes(bytes(64 << 20))
    printed = subprocess.run(
        [sys.executable, "-c", program, str(large)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    ).stdout
    of_file, with_own = map(int, printed.split())
    assert of_file < 16 << 20
    assert 24 << 20 < with_own < 48 << 20


@pytest.mark.parametrize(
    ("variables", "jobs", "there"),
    [
        ({}, 10**6, r"it has \d+ processor\(s\)\.$"),
        ({"FAKE_PLATFORM": "gpu", "FAKE_DEVICES": "2"}, 3, r"it has 2 device\(s\), which cells do not share\.$"),
        ({"FAKE_PLATFORM": "tpu", "FAKE_DEVICES": "8"}, 2, r"it has 1 device\(s\), which cells do not share\.$"),
    ],
)
def test_more_jobs_than_the_machine_can_time_are_refused_with_the_reason(
    variables: dict[str, str], jobs: int, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with (
        LocalExecutor(jobs=jobs, cell_program="fake_cell") as local,
        pytest.raises(BadInput, match=rf"--jobs {jobs} is more than this machine can time: {there}"),
    ):
        local.environment()  # asked for before a dry run too


def test_cells_on_processors_run_two_at_once_and_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moebench.executors.local.usable_cpus", lambda: 2)
    with LocalExecutor(cell_program="fake_cell") as local:
        events = list(local.run([job(tmp_path, "turns", name=name) for name in ("one", "two", "three")]))
        assert local.notes() == []
    assert [type(event) for event in events[:3]] == [Started, Started, Ended]
    printed = [(tmp_path / f"{name}.log").read_text().split()[:2] for name in ("one", "two", "three")]
    assert {at_once for at_once, _ in printed} == {"2"}
    one, two, three = (locks.split(",") for _, locks in printed)
    assert not set(one) & set(two)
    assert three in (one, two)


def test_the_turn_of_a_cell_that_ended_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moebench.executors.local.usable_cpus", lambda: 2)
    with LocalExecutor(cell_program="fake_cell") as local:
        events = list(local.run([job(tmp_path, "keep-turn", Limits(5.0), name) for name in ("one", "two")]))
    assert [event.status for event in events if isinstance(event, Ended)] == [None, None]


def test_waiting_for_other_cells_is_no_part_of_the_time_limit(executor: LocalExecutor, tmp_path: Path) -> None:
    ended = end(executor, job(tmp_path, "wait", Limits(1.0)))
    assert (ended.status, ended.reason) == (None, None)


def test_cells_run_one_at_a_time_if_files_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("moebench.executors.local.usable_cpus", lambda: 2)
    monkeypatch.setattr("fcntl.flock", unsupported)
    with LocalExecutor(2, cell_program="fake_cell") as local:
        events = list(local.run([job(tmp_path, "turns", name=name) for name in ("one", "two")]))
        (note,) = local.notes()
    assert note.startswith("cells run one at a time, because files in ")
    assert [type(event) for event in events] == [Started, Ended, Started, Ended]
    assert (tmp_path / "two.log").read_text().split()[:2] == ["None", "None"]


def test_a_cell_that_needs_more_than_its_share_runs_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moebench.executors.local.usable_cpus", lambda: 2)
    monkeypatch.setattr(memory_limit, "usable_bytes", lambda: 1 << 30)  # 922 MiB for cells, 461 MiB for each of two
    with LocalExecutor(cell_program="fake_cell") as local:
        jobs = [job(tmp_path, behave, name=name) for name, behave in (("large", "allocate-some"), ("small", None))]
        events = [(type(event), event.job.name, getattr(event, "status", None)) for event in local.run(jobs)]
    assert events[:2] == [(Started, "large", None), (Started, "small", None)]
    assert sorted(events[2:], key=lambda event: event[1]) == [(Ended, "large", None), (Ended, "small", None)]


def test_a_cell_on_all_places_has_all_memory_and_limits_that_exceed_it_are_not_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moebench.executors.local.usable_cpus", lambda: 2)
    monkeypatch.setattr(memory_limit, "usable_bytes", lambda: 10 << 30)
    limits: list[float] = []
    start = Workers.start
    monkeypatch.setattr(
        Workers, "start", lambda workers, task: (limits.append(task.memory_limit_bytes / 2**30), start(workers, task))
    )
    half, most = Limits(30.0, 4.5), Limits(30.0, 8.0)
    jobs = {"wide": (2, LIMITS), "one": (1, LIMITS), "other": (1, half), "large": (1, most), "largest": (1, most)}
    with LocalExecutor(cell_program="fake_cell") as local:
        local.environment()
        limits.clear()
        events = list(local.run([replace(job(tmp_path, None, of, name), devices=n) for name, (n, of) in jobs.items()]))
    # Nine tenths of 10 GiB: all of them for two places, half for one; limits of 4.5 fit beside, of 8 do not.
    assert limits == pytest.approx([9.0, 4.5, 4.5, 8.0, 8.0])
    order = [(type(event), event.job.name) for event in events]
    assert order[:2] == [(Started, "wide"), (Ended, "wide")]
    assert order[2:4] == [(Started, "one"), (Started, "other")]
    assert order[6:] == [(Started, "large"), (Ended, "large"), (Started, "largest"), (Ended, "largest")]


def test_a_cell_without_others_takes_no_turns(tmp_path: Path) -> None:
    with LocalExecutor(cell_program="fake_cell") as local:
        end(local, job(tmp_path, "turns"))
    assert (tmp_path / "cell.log").read_text().split()[:2] == ["None", "None"]


def test_each_cell_gets_a_device_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PLATFORM", "gpu")
    monkeypatch.setenv("FAKE_DEVICES", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with LocalExecutor(cell_program="fake_cell") as local:
        events = list(local.run([job(tmp_path, name=name) for name in ("one", "two")]))
    assert [type(event) for event in events[:2]] == [Started, Started]
    logs = [(tmp_path / f"{name}.log").read_text().split()[-1] for name in ("one", "two")]
    assert sorted(logs) == ["4", "7"]


def test_a_wide_cell_gets_its_devices_and_no_other_shares_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PLATFORM", "gpu")
    monkeypatch.setenv("FAKE_DEVICES", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    needs = {"wide": 2, "narrow": 1, "all": 3, "more": 4}
    with LocalExecutor(cell_program="fake_cell") as local:
        events = list(local.run([replace(job(tmp_path, name=name), devices=n) for name, n in needs.items()]))
    got = {name: (tmp_path / f"{name}.log").read_text().split()[-1] for name in needs}
    # Two and one of three run side by side; those that take all three wait, and none gets what is not there.
    assert got == {"wide": "0,1", "narrow": "2", "all": got["all"], "more": got["more"]}
    assert sorted(got["all"].split(",")) == sorted(got["more"].split(",")) == ["0", "1", "2"]
    order = [(type(event), event.job.name) for event in events]
    assert order[:2] == [(Started, "wide"), (Started, "narrow")]
    assert order.index((Started, "all")) > max(order.index((Ended, name)) for name in ("wide", "narrow"))
    assert order.index((Started, "more")) > order.index((Ended, "all"))


def test_an_unknown_executor_is_one_clear_sentence() -> None:
    with pytest.raises(BadInput, match="unknown executor 'locl': did you mean 'local'"):
        executors.create("locl")


@pytest.mark.parametrize(("name", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_extra_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(BadInput) as raised:
        executors.create(name)
    message = f"the executor '{name}' needs {module}, which is not installed: pip install 'moebench[{name}]'"
    assert str(raised.value) == message


def test_a_cell_on_a_machine_that_does_not_see_the_folders_comes_back_as_bytes(tmp_path: Path) -> None:
    here = job(tmp_path)
    spec = here.spec.read_bytes()
    there = replace(here, spec=tmp_path / "not" / "seen.json")

    delivery = run_here("fake_cell", there, spec)

    assert not here.out.exists()
    assert (delivery.status, delivery.reason) == (None, None)
    assert delivery.receive(here) == Ended(here, delivery.seconds)
    assert len(pq.read_table(here.out)) == 1
    assert "wrote 1 rows" in here.log.read_text()


def test_recordings_come_back_from_a_machine_that_does_not_see_the_folders(tmp_path: Path) -> None:
    here = job(tmp_path, "record")
    record = json.loads(here.spec.read_text()) | {"recordings": str(tmp_path / "suite" / "_routing")}
    here.spec.write_text(json.dumps(record))

    delivery = run_here("fake_cell", replace(here, spec=tmp_path / "not" / "seen.json"), here.spec.read_bytes())

    assert not (tmp_path / "suite").exists()
    delivery.receive(here)
    (recording,) = (tmp_path / "suite" / "_routing").iterdir()
    assert (recording.name, recording.read_bytes()) == ("cell-0-1.parquet", b"a recording")


def test_a_cell_on_a_machine_that_sees_the_folders_writes_there(tmp_path: Path) -> None:
    one = job(tmp_path, "crash")
    delivery = run_here("fake_cell", one, one.spec.read_bytes())
    assert (delivery.status, delivery.reason) == ("crashed", "exit code 1: ValueError: planted crash")
    assert (delivery.rows, delivery.log) == (None, None)
    assert "planted crash" in one.log.read_text()
    good = job(tmp_path)
    delivery = run_here("fake_cell", good, good.spec.read_bytes())
    written = good.out.read_bytes()
    # The rows come along all the same, for a folder that shows them late; what is there is left alone.
    assert delivery.rows == written
    before = good.out.stat().st_mtime_ns
    delivery.receive(good)
    assert good.out.stat().st_mtime_ns == before


def test_a_capped_log_says_what_it_left_out(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log")
    log.write(b"a" * HEAD_BYTES)
    log.write(b"b" * 10 + b"c" * TAIL_BYTES)
    log.close()
    # The head is full of a; of the 10 b and 65,536 c that follow, the 10 b do not fit into the tail.
    kept = (tmp_path / "log").read_bytes()
    assert kept == b"a" * HEAD_BYTES + b"\n[... 10 bytes left out ...]\n" + b"c" * TAIL_BYTES
