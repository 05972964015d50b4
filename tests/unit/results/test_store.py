"""The store of one suite: cells come in, runs are sealed, newer attempts replace older ones."""

import os
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from results_rows import finish, row

from moebench.errors import BadInput
from moebench.results import Store, load, suite_names, write_rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", "small")


def _seen_by_pandas(store: Store) -> list[tuple[str, int, int, str]]:
    frame = pd.read_parquet(store.folder)
    return sorted(frame[["cell_id", "seed", "attempt", "run_id"]].itertuples(index=False, name=None))


def _replaced(store: Store) -> list[tuple[str, int, int, str]]:
    tables = [pq.read_table(path).to_pylist() for path in store.superseded_files()]
    return sorted((r["cell_id"], r["seed"], r["attempt"], r["run_id"]) for table in tables for r in table)


def test_a_run_from_first_cell_to_sealed_file(store: Store) -> None:
    assert store.finished() == {}
    finish(store, "a")
    finish(store, "b", status="diverged", accuracy=None)

    assert store.finished() == {
        ("a", 0): ("ok", "f1", 1, None),
        ("a", 1): ("ok", "f1", 1, None),
        ("b", 0): ("diverged", "f1", 1, None),
        ("b", 1): ("diverged", "f1", 1, None),
    }
    assert store.finished()["b", 0].status == "diverged"
    unsealed = store.finished()

    sealed = store.seal("r1")

    assert sealed == store.folder / "r1.parquet"
    assert store.finished() == unsealed
    assert _seen_by_pandas(store) == [("a", 0, 1, "r1"), ("a", 1, 1, "r1"), ("b", 0, 1, "r1"), ("b", 1, 1, "r1")]
    assert store.cell_files() == []
    assert not (store.files / "cells" / "r1").exists()
    assert store.seal("r1") is None


def test_a_second_run_replaces_what_it_did_again(store: Store) -> None:
    finish(store, "a")
    finish(store, "b")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2, accuracy=0.5)
    finish(store, "c", run_id="r2")
    assert store.finished()["a", 0].attempt == 2

    store.seal("r2")

    assert _seen_by_pandas(store) == [
        ("a", 0, 2, "r2"),
        ("a", 1, 2, "r2"),
        ("b", 0, 1, "r1"),
        ("b", 1, 1, "r1"),
        ("c", 0, 1, "r2"),
        ("c", 1, 1, "r2"),
    ]
    assert _replaced(store) == [("a", 0, 1, "r1"), ("a", 1, 1, "r1")]
    assert sorted(path.name for path in store.sealed_files()) == ["r1.parquet", "r2.parquet"]


def test_a_file_with_nothing_left_of_it_goes_away(store: Store) -> None:
    finish(store, "a")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    store.seal("r2")

    assert [path.name for path in store.sealed_files()] == ["r2.parquet"]
    assert _replaced(store) == [("a", 0, 1, "r1"), ("a", 1, 1, "r1")]


def test_a_second_attempt_in_one_run_stands_beside_the_first(store: Store) -> None:
    first = finish(store, "a", seeds=(0,), status="crashed")
    second = finish(store, "a", seeds=(0,), attempt=2)

    assert first.exists()
    assert first != second
    store.seal("r1")
    assert _seen_by_pandas(store) == [("a", 0, 2, "r1")]
    assert _replaced(store) == [("a", 0, 1, "r1")]


def test_what_is_replaced_leaves_only_after_what_replaces_it_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(store, "a", seeds=(0,))
    store.seal("r1")
    finish(store, "a", seeds=(0,), run_id="r2", attempt=2)
    seen = []
    move = os.replace

    def watch(source: Path, target: Path) -> None:
        move(source, target)
        seen.append([(cell, attempt) for cell, _, attempt, _ in _seen_by_pandas(store)])

    monkeypatch.setattr(os, "replace", watch)
    store.seal("r2")
    # The new file, then the old row among the superseded ones; the old file, left empty by it, goes last.
    assert seen == [[("a", 1), ("a", 2)], [("a", 1), ("a", 2)]]
    assert _seen_by_pandas(store) == [("a", 0, 2, "r2")]


def test_seeds_of_a_cell_are_replaced_one_by_one(store: Store) -> None:
    finish(store, "a", seeds=(0, 1))
    store.seal("r1")
    finish(store, "a", seeds=(1, 2), run_id="r2", attempt=2)
    store.seal("r2")

    assert _seen_by_pandas(store) == [("a", 0, 1, "r1"), ("a", 1, 2, "r2"), ("a", 2, 2, "r2")]


def test_an_older_attempt_that_arrives_late_is_kept_but_not_seen(store: Store) -> None:
    finish(store, "a", seeds=(0,), run_id="r2", attempt=2)
    store.seal("r2")
    finish(store, "a", seeds=(0,), run_id="r1", attempt=1)

    assert store.seal("r1") is None

    assert _seen_by_pandas(store) == [("a", 0, 2, "r2")]
    assert _replaced(store) == [("a", 0, 1, "r1")]
    assert store.cell_files() == []


def test_the_next_run_seals_what_a_dead_one_left(store: Store) -> None:
    left = finish(store, "a", run_id="r1")
    finish(store, "b", run_id="r2")
    store.seal("r2")

    assert [cell for cell, *_ in _seen_by_pandas(store)] == ["a", "a", "b", "b"]
    assert left.exists(), "its driver may be alive and look for it"
    two_days_ago = time.time() - 2 * 24 * 3600
    aged = finish(store, "z", seeds=(), run_id="r1")
    os.utime(aged, (two_days_ago, two_days_ago))
    store.seal("r2")
    assert left.exists()
    assert not aged.exists(), "its driver is long dead"

    # Should that driver be alive, its own sealing brings nothing twice.
    finish(store, "c", run_id="r1")
    store.seal("r1")
    assert [cell for cell, *_ in _seen_by_pandas(store)] == ["a", "a", "b", "b", "c", "c"]
    assert store.cell_files() == []


def test_leftovers_of_all_dead_runs_are_sealed_and_cleared(store: Store) -> None:
    finish(store, "a", run_id="r1")
    finish(store, "b", run_id="r2")

    sealed = store.seal_leftovers()

    assert sealed is not None
    assert sealed.name.startswith("r2.")
    assert [cell for cell, *_ in _seen_by_pandas(store)] == ["a", "a", "b", "b"]
    assert list((store.files / "cells").iterdir()) == []
    assert store.seal_leftovers() is None


def test_a_death_between_sealing_and_clearing_leaves_nothing_twice(store: Store) -> None:
    cell = finish(store, "a")
    content = cell.read_bytes()
    store.seal("r1")
    cell.parent.mkdir()
    cell.write_bytes(content)  # as if it had not been removed

    assert len(load(store.folder.parent)) == 2
    assert store.seal("r1") is None
    assert len(_seen_by_pandas(store)) == 2
    assert not cell.exists()
    assert store.superseded_files() == []


def test_copies_that_two_writers_sealed_at_once_are_cleared_by_the_next(store: Store) -> None:
    finish(store, "a")
    sealed = store.seal("r1")
    assert sealed is not None
    (store.folder / "r0.parquet").write_bytes(sealed.read_bytes())
    assert len(_seen_by_pandas(store)) == 4

    store.seal("r3")

    assert len(_seen_by_pandas(store)) == 2
    assert store.superseded_files() == [], "a copy is no older attempt"


def test_sealing_a_run_again_never_writes_over_its_file(store: Store) -> None:
    finish(store, "a")
    first = store.seal("r1")
    finish(store, "b")
    second = store.seal("r1")

    assert first != second
    assert [cell for cell, *_ in _seen_by_pandas(store)] == ["a", "a", "b", "b"]


def test_sealed_rows_stand_in_the_order_in_which_the_cells_began(store: Store) -> None:
    finish(store, "z", seeds=(0,))
    finish(store, "a", seeds=(5,))
    path = store.seal("r1")
    assert pq.read_table(path)["cell_id"].to_pylist() == ["z", "a"]


def test_an_unreadable_cell_is_named_and_stays_while_the_rest_is_sealed(store: Store) -> None:
    finish(store, "a")
    broken = store.cell_file("r1", "b", 1)
    broken.write_bytes(b"PAR1 half a file")

    store.seal("r1")

    assert broken.exists()
    assert [problem.path for problem in store.unreadable] == [broken]
    assert [cell for cell, *_ in _seen_by_pandas(store)] == ["a", "a"]
    assert ("a", 0) in store.finished()
    assert [problem.path for problem in store.unreadable] == [broken]


def test_an_unreadable_sealed_file_and_a_stranger_are_named(store: Store) -> None:
    finish(store, "a")
    store.seal("r1")
    broken = store.folder / "r0.parquet"
    broken.write_bytes(b"")
    stranger = store.folder / "notes.txt"
    stranger.write_text("remember")

    assert set(store.finished()) == {("a", 0), ("a", 1)}
    assert {problem.path for problem in store.unreadable} == {broken, stranger}
    finish(store, "a", run_id="r2", attempt=2)
    store.seal("r2")
    assert broken.exists()
    assert stranger.exists()


def test_a_full_disk_while_sealing_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(store, "a")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    before = {path: path.read_bytes() for path in store.root.rglob("*.parquet")}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BadInput, match="No space left on device"):
            store.seal("r2")

    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before
    store.seal("r2")
    assert _seen_by_pandas(store) == [("a", 0, 2, "r2"), ("a", 1, 2, "r2")]


def test_what_killed_writers_left_is_swept(store: Store) -> None:
    own = store.cell_file("r1", "x", 1).parent / ".x.parquet.0.tmp"
    young, old = store.folder / ".y.parquet.1.tmp", store.folder / ".z.parquet.2.tmp"
    other = store.cell_file("r2", "x", 1).parent / ".x.parquet.3.tmp"
    for path in (own, young, old, other):
        path.write_text("half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))

    store.seal("r1")

    assert [path.exists() for path in (own, young, old, other)] == [False, True, False, True]


def test_paths_lie_where_the_layout_says(store: Store) -> None:
    folder = store.root / "_files" / store.suite
    assert store.cell_file("r1", "abc", 1) == folder / "cells" / "r1" / "abc.1.parquet"
    assert store.log_file("r1", "abc", 1) == folder / "logs" / "r1" / "abc.1.log"
    assert store.report_folder == folder / "report"
    assert all((folder / name).is_dir() for name in ("cells/r1", "logs/r1", "report"))


@pytest.mark.parametrize("name", ["", "_x", ".x", "a/b", "../x", "a\\b", "a:b"])
def test_names_that_cannot_be_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="suite name"):
        Store(tmp_path, name)
    with pytest.raises(BadInput, match="run name"):
        Store(tmp_path, "small").seal(name)
    with pytest.raises(BadInput, match="cell name"):
        Store(tmp_path, "small").cell_file("r1", name, 1)


def test_a_folder_that_cannot_be_made_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match=r"cannot make the folder .*results"):
        Store(tmp_path / "results", "small").cell_file("r1", "a", 1)


def test_a_folder_that_cannot_be_written_to_is_said_clearly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, who runs some tests, may write anywhere
    with pytest.raises(BadInput, match=r"cannot write into the folder .*report"):
        _ = store.report_folder


def test_suites_are_the_folders_with_results(tmp_path: Path) -> None:
    finish(Store(tmp_path, "unsealed"), "a")
    finish(Store(tmp_path, "sealed"), "a")
    Store(tmp_path, "sealed").seal("r1")
    write_rows([row()], tmp_path / "_hidden" / "a.parquet")
    (tmp_path / "empty").mkdir()
    assert suite_names(tmp_path) == ["sealed", "unsealed"]
    assert suite_names(tmp_path / "nowhere") == []
