"""Nothing is lost and nothing is doubled, whoever writes at once and whoever is killed when."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from paths import SUPPORT
from results_drivers import CELLS, SEEDS

from moebench.results import Problem, Store, gather, verify

_PROGRAM = str(SUPPORT / "results_drivers.py")
Row = tuple[str, int, int, str]


def _start(what: str, root: Path, ledger: Path, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, _PROGRAM, what, str(root), str(ledger), str(number)])


def _ledger(path: Path) -> set[Row]:
    lines = [line.split() for line in path.read_text().splitlines()]
    return {(cell, int(seed), int(attempt), run) for cell, seed, attempt, run in lines}


def _newest(rows: set[Row]) -> dict[tuple[str, int], Row]:
    return {row[:2]: row for row in sorted(rows, key=lambda row: row[2:])}


def _rows(table: "pd.DataFrame") -> list[Row]:
    return list(table[["cell_id", "seed", "attempt", "run_id"]].itertuples(index=False, name=None))


def _on_disk(store: Store, *folders: list[Path]) -> set[Row]:
    folders = folders or (store.sealed_files(), store.cell_files(), store.superseded_files())
    return {row for files in folders for path in files for row in _rows(pq.read_table(path).to_pandas())}


def _problems(root: Path) -> list[Problem]:
    return [problem for problem in verify(root) if not problem.path.name.endswith(".tmp")]


def test_drivers_that_share_a_folder_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    root, ledger = tmp_path / "results", tmp_path / "ledger"
    store = Store(root, "small")
    with contextlib.ExitStack() as ended:
        drivers = [_start("race", root, ledger, number) for number in range(4)]
        for driver in drivers:
            ended.callback(driver.wait)
            ended.callback(driver.terminate)
        _watch(drivers, store, ledger)
    assert [driver.returncode for driver in drivers] == [0] * 4

    written = _ledger(ledger)
    expected = {(cell, seed) for cell in (*CELLS, *(f"own{n}" for n in range(4))) for seed in SEEDS}
    assert set(_newest(written)) == expected
    assert _on_disk(store) == written
    shown = _rows(pd.read_parquet(store.folder))
    assert sorted(shown) == sorted(_newest(written).values())
    assert store.cell_files() == []
    assert verify(root) == []


def _watch(drivers: list[subprocess.Popen[bytes]], store: Store, ledger: Path) -> None:
    """Until all drivers have ended: a cell that was once finished is there in every reading, once."""
    seen: set[tuple[str, int]] = set()
    while any(driver.poll() is None for driver in drivers):
        known = set(_newest(_ledger(ledger))) if ledger.exists() else set()
        present = set(store.finished())
        assert known | seen <= present, "a finished cell was out of sight for a moment"
        assert store.unreadable == []
        shown = _rows(store.rows(["cell_id", "seed", "attempt", "run_id"]).to_pandas())
        assert len({row[:2] for row in shown}) == len(shown)
        seen = present
        time.sleep(0.05)


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_kills_at_any_moment_lose_nothing(tmp_path: Path, times: int) -> None:
    root, ledger = tmp_path / "results", tmp_path / "ledger"
    assert _start("kill", root, ledger, times).wait() == 0
    store = Store(root, "small")

    written = _ledger(ledger)
    assert len({run.split("-")[1] for *_, run in written}) == times, "every driver had begun to write"
    assert len({run for *_, run in written}) > times, "and some had sealed a run before"
    # A kill may fall between a file and what leaves for it, so rows may be seen beside newer ones; nothing else.
    assert [problem for problem in _problems(root) if problem.path != store.folder] == []
    assert written <= _on_disk(store)
    table, unreadable = gather(root)
    assert unreadable == []
    newest = _newest(_on_disk(store))
    assert sorted(_rows(table.to_pandas())) == sorted(newest.values())

    sealed_once = _on_disk(store, store.sealed_files(), store.superseded_files())
    shown = _rows(pd.read_parquet(store.folder))
    assert _newest(set(shown)) == _newest(sealed_once), "not even a killed sealing hides what was sealed"
    store.seal_leftovers()
    assert sorted(_rows(pd.read_parquet(store.folder))) == sorted(newest.values())
    assert _problems(root) == []
    assert written <= _on_disk(store)
    assert store.cell_files() == []
