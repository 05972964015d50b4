"""Whole runs of the command line, with drivers, servers and cells killed, raced and starved: nothing is lost.

The store has its own such tests; these are about the processes that write into it. `pytest -m slow -s` on this file
takes about three minutes and prints what was done.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from executor_jobs import gone
from paths import SUPPORT

from moebench.results import Store, load, statuses, verify

DRIVER = str(SUPPORT / "suite_driver.py")
HEAD = "name: small\nquestion: Does it hold?\nfigures: []\nprofiles:\n"
CELLS = "cells:\n  - {router: [soft, bpr], experts: [2, 4, 8]}\n"
Key = tuple[str, int, int, str]


def start(folder: Path, *arguments: str, before: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, DRIVER, "suite", "small.yaml", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def keys(path: Path) -> set[Key]:
    columns = ["cell_id", "seed", "attempt", "run_id"]
    return set(pq.read_table(path, columns=columns).to_pandas().itertuples(index=False, name=None))


def on_disk(store: Store) -> set[Key]:
    files = [*store.sealed_files(), *store.cell_files(), *store.superseded_files()]
    return {key for path in files for key in keys(path)}


def ledger(path: Path) -> set[Key]:
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return {(cell, int(seed), int(attempt), run) for cell, seed, attempt, run in lines}


def below(driver: "subprocess.Popen[str]") -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The servers of a driver, and the cells and surveys that run below them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        servers = psutil.Process(driver.pid).children()
        return servers, [cell for server in servers for cell in server.children()]
    return [], []


def strike(
    driver: "subprocess.Popen[str]", moments: random.Random, cells: int, begun: Callable[[], object]
) -> tuple[int, int]:
    """Kill up to `cells` cells of a driver at random moments once it has begun, then the driver; the kills of each."""
    killed = 0
    while driver.poll() is None and not begun():
        time.sleep(0.02)
    until = time.monotonic() + moments.uniform(0.2, 1.5)
    while driver.poll() is None and time.monotonic() < until:
        time.sleep(moments.uniform(0.0, 0.15))
        _, found = below(driver)
        if found and killed < cells:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[0].kill()
                killed += 1
    if driver.poll() is not None:
        return killed, 0
    driver.kill()
    return killed, 1


@pytest.mark.parametrize(
    ("runs", "kills"), [(2, 5), pytest.param(30, 100, marks=pytest.mark.slow)], ids=["few", "a-hundred"]
)
def test_kills_of_drivers_and_cells_lose_nothing(tmp_path: Path, runs: int, kills: int) -> None:
    moments = random.Random(1)
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3, seeds: [0, 1]}\n" + CELLS)
    store, written = Store(tmp_path / "results", "small"), tmp_path / "ledger"
    of_cells = of_drivers = run = 0
    while run < runs or of_cells + of_drivers < kills:
        # Some start over, some go on where a dead one stopped.
        arguments = ["--fresh"] if run % 2 == 0 else ["--retry-failed"]
        driver = start(tmp_path, *arguments, FAKE_LEDGER=str(written), FAKE_SECONDS="0.1")
        # Most drivers are struck when a cell has brought rows, however slow the machine is, and some before.
        before = len(ledger(written))
        done = strike(driver, moments, 4, lambda early=run % 3 == 2, rows=before: early or len(ledger(written)) > rows)
        driver.communicate()
        of_cells, of_drivers, run = of_cells + done[0], of_drivers + done[1], run + 1

        on_record = ledger(written)
        assert on_record <= on_disk(store), "a finished cell was lost"
        if not store.sealed_files() and not store.cell_files():
            continue
        frame = load(tmp_path / "results", "small")  # a file that cannot be read would be a warning, which is an error
        assert not frame.duplicated(["suite", "cell_id", "seed"]).any()
        newest = {key[:2]: key for key in sorted(on_disk(store), key=lambda key: key[2:])}
        shown = set(frame[["cell_id", "seed", "attempt", "run_id"]].itertuples(index=False, name=None))
        assert shown == set(newest.values())
    assert of_cells > 0
    assert of_drivers > 0
    last = start(tmp_path, "--retry-failed", FAKE_LEDGER=str(written))
    out, err = last.communicate()
    assert last.returncode == 0, err
    assert "6 cells of 2 seeds" in out
    assert ledger(written) <= on_disk(store)
    frame = pd.read_parquet(store.folder)
    assert len(frame) == 12
    assert set(frame["status"]) == {"ok"}
    assert [problem for problem in verify(tmp_path / "results") if problem.path.suffix != ".tmp"] == []
    assert list(statuses(tmp_path / "results")) == []
    print(f"\n{of_drivers} drivers and {of_cells} cells killed in {run} runs; {len(ledger(written))} rows, none lost")


def wait_until(driver: "subprocess.Popen[str]", done: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not done():
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_run_as_ctrl_c_does(tmp_path: Path, name: str) -> None:
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3, seeds: [0, 1]}\n" + CELLS)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    written, store = tmp_path / "ledger", Store(tmp_path / "results", "small")
    driver = start(tmp_path, FAKE_LEDGER=str(written), FAKE_SECONDS="0.3", TMPDIR=str(scratch))
    wait_until(driver, lambda: len(ledger(written)) >= 4)
    servers, cells = below(driver)
    driver.send_signal(getattr(signal, name))
    _, err = driver.communicate(timeout=30)
    assert driver.returncode == 128 + getattr(signal, name)
    assert re.fullmatch(r"\ninterrupted: \d of 6 cells are finished and kept; the same command goes on\.\n", err)
    # Finished cells are sealed, and nothing of the run is left behind.
    assert ledger(written) <= {key for path in store.sealed_files() for key in keys(path)}
    assert list(statuses(tmp_path / "results")) == []
    assert list(scratch.iterdir()) == []
    assert store.temporary_files() == []
    assert gone([process.pid for process in (*servers, *cells)])


def test_a_signal_before_the_first_cell_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3}\n" + CELLS)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    driver = start(tmp_path, TMPDIR=str(scratch))
    wait_until(driver, lambda: below(driver)[0])
    driver.send_signal(signal.SIGTERM)
    out, err = driver.communicate(timeout=30)
    assert (driver.returncode, out, err) == (143, "", "moebench: interrupted.\n")
    assert list(scratch.iterdir()) == []


def test_a_signal_that_the_parent_ignores_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3}\n" + CELLS)
    driver = start(tmp_path, before=["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"])  # as nohup does
    wait_until(driver, lambda: below(driver)[0])
    driver.send_signal(signal.SIGHUP)
    assert driver.wait(60) == 0
    driver.communicate()


@pytest.mark.slow
def test_eight_drivers_at_once_bring_all_rows_once(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3, seeds: [0, 1]}\n" + CELLS)
    written = tmp_path / "ledger"
    drivers = [start(tmp_path, FAKE_LEDGER=str(written)) for _ in range(8)]
    ends = [driver.communicate() for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * 8, [err for _, err in ends]
    store = Store(tmp_path / "results", "small")
    assert on_disk(store) == ledger(written)
    frame = pd.read_parquet(store.folder)
    assert len(frame) == 12
    assert not frame.duplicated(["cell_id", "seed"]).any()
    assert verify(tmp_path / "results") == []
    print(f"\n8 drivers wrote {len(on_disk(store))} rows; {len(frame)} are shown")


def test_a_disk_that_fills_up_is_said_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(HEAD + "  cpu: {steps: 3, seeds: [0, 1]}\n" + CELLS)
    first = start(tmp_path)
    first.communicate()
    assert first.returncode == 0
    store = Store(tmp_path / "results", "small")
    before = load(tmp_path / "results")

    # A file of results is larger than 16 KiB, so each write stops in its middle; what comes before them is smaller.
    full = start(tmp_path, "--fresh", FAKE_FULL_DISK="16384")
    _, err = full.communicate()

    assert full.returncode == 2
    assert err.startswith("moebench: cannot write ")
    assert "what was there before is unchanged" in err
    assert "Traceback" not in err
    pd.testing.assert_frame_equal(load(tmp_path / "results"), before)
    assert store.temporary_files() == []
    assert verify(tmp_path / "results") == []


@pytest.mark.parametrize("shout_mib", ["64", pytest.param("1024", marks=pytest.mark.slow)])
def test_every_bad_cell_ends_as_its_own_status_and_the_suite_goes_on(tmp_path: Path, shout_mib: str) -> None:
    bad = {"allocate": "oom", "hang": "timeout", "exit": "crashed", "shout": "crashed", "segv": "crashed"}
    limits = "{steps: 3, seeds: [0], time_limit_s: 5, memory_limit_gib: 0.5}"
    cells = f"cells:\n  - {{router: soft, behave: [{', '.join(bad)}]}}\n  - {{router: dense}}\n"
    (tmp_path / "small.yaml").write_text(f"{HEAD}  cpu: {limits}\n{cells}")
    driver = start(tmp_path, FAKE_SHOUT_MIB=shout_mib)
    _, err = driver.communicate()
    assert driver.returncode == 1, err
    frame = load(tmp_path / "results")
    behaviour = frame["config"].str.extract(r'"behave": "(\w+)"')[0].fillna("none")
    assert dict(zip(behaviour, frame["status"], strict=True)) == {**bad, "none": "ok"}
    failed = frame[frame["status"] != "ok"]
    assert failed["status_reason"].str.contains(r"\(log: .*\.log\)$").all()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.log")) < 2 << 20
    assert "moebench: 5 cells failed" in err
