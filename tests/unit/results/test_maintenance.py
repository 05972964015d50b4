"""Looking after a results folder: listing, verifying, merging."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from results_rows import BEGAN, finish, row

from moebench.errors import BadInput
from moebench.results import SCHEMA, Run, Store, load, merge, runs, verify


def test_runs_tell_what_they_brought(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    finish(store, "b", status="oom")
    store.seal("r1")
    finish(store, "b", run_id="r2", attempt=2)
    finish(Store(tmp_path, "other"), "a", seeds=(3,))

    assert runs(tmp_path, "small") == [
        Run("small", "r1", BEGAN, {"ok": 2}, 0),  # its two rows "oom" are replaced
        Run("small", "r2", BEGAN, {"ok": 2}, 1),
    ]
    assert [run.suite for run in runs(tmp_path)] == ["other", "small", "small"]


def test_a_sound_folder_has_no_problems(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    store.seal("r2")
    finish(store, "b", run_id="r3")
    assert verify(tmp_path) == []


def test_every_fault_is_named_with_its_file(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    store.seal("r2")
    (store.folder / "r1-again.parquet").write_bytes((store.folder / "r2.parquet").read_bytes())
    odd = [row(seed=9, suite="large") | {"cell_id": None}]
    pq.write_table(pa.Table.from_pylist(odd, schema=SCHEMA), store.folder / "odd.parquet")
    table = pa.table({"status": ["fine"], "suite": ["small"]}, metadata=SCHEMA.metadata)
    pq.write_table(table, store.files / "cells" / "x.parquet")  # not in a run's folder: nobody's business
    store.cell_file("r9", "x", 1).write_bytes((store.files / "cells" / "x.parquet").read_bytes())
    (store.superseded_folder / "cut.parquet").write_bytes(b"PAR1")
    (store.folder / "notes.txt").write_text("")
    dead, alive = store.folder / ".a.parquet.1.tmp", store.folder / ".b.parquet.2.tmp"
    dead.write_text("")
    alive.write_text("")
    os.utime(dead, (time.time() - 7200, time.time() - 7200))

    faults = {(str(problem.path.relative_to(tmp_path)), problem.what) for problem in verify(tmp_path)}

    unreadable = [what for name, what in faults if name == "_files/small/superseded/cut.parquet"]
    assert len(unreadable) == 1
    assert unreadable[0].startswith("is no readable Parquet file")
    assert faults - {("_files/small/superseded/cut.parquet", unreadable[0])} == {
        ("small/odd.parquet", "lacks cell_id in 1 of its rows"),
        ("small/odd.parquet", "has rows of the suite 'large' in the folder of 'small'"),
        ("_files/small/cells/r9/x.1.parquet", "has rows of the unknown status 'fine'"),
        *(
            ("_files/small/cells/r9/x.1.parquet", f"lacks {name} in 1 of its rows")
            for name in ("cell_id", "seed", "attempt")
        ),
        ("_files/small/cells/r9/x.1.parquet", "lacks run_id in 1 of its rows"),
        ("small", "shows rows beside newer ones that replace them (2 too many); sealing removes the older ones"),
        ("small/notes.txt", "is no Parquet file; pandas.read_parquet of its folder fails because of it"),
        ("small/.a.parquet.1.tmp", "was left by a killed writer; sealing removes it when it is a day old"),
    }


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a", config="x" * 5000)
    path = store.seal("r1")
    assert path is not None
    content = bytearray(path.read_bytes())
    place = pq.ParquetFile(path).metadata.row_group(0).column(SCHEMA.names.index("config")).data_page_offset
    content[place + 40] ^= 4
    path.write_bytes(content)

    assert [problem.path for problem in verify(tmp_path)] == [path]


def test_merging_brings_everything_once(tmp_path: Path) -> None:
    ours, theirs, into = (tmp_path / name for name in ("ours", "theirs", "into"))
    store = Store(ours, "small")
    finish(store, "a", run_id="r1")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    store.seal("r2")
    finish(Store(theirs, "small"), "a", run_id="r3", seeds=(1, 2), accuracy=0.7)  # not sealed
    finish(Store(theirs, "large"), "a", seeds=(0,))

    written, unreadable = merge([ours, theirs], into)

    assert unreadable == []
    assert sorted(path.parent.name for path in written) == ["large", "small", "small"]
    frame = load(into).sort_values(["suite", "cell_id", "seed"])
    assert list(zip(frame["suite"], frame["seed"], frame["attempt"], frame["run_id"], strict=True)) == [
        ("large", 0, 1, "r1"),
        ("small", 0, 2, "r2"),
        ("small", 1, 2, "r2"),  # attempt 2 of r2 is above attempt 1 of r3
        ("small", 2, 1, "r3"),
    ]
    replaced = [
        (r["seed"], r["run_id"])
        for path in Store(into, "small").superseded_files()
        for r in pq.read_table(path).to_pylist()
    ]
    assert sorted(replaced) == [(0, "r1"), (1, "r1"), (1, "r3")]

    before = sorted(into.rglob("*"))
    assert merge([ours, theirs], into) == ([], [])
    assert sorted(into.rglob("*")) == before
    assert verify(into) == []


def test_merging_takes_over_what_a_suite_claims_unless_the_target_has_claims(tmp_path: Path) -> None:
    ours, theirs, into = (Store(tmp_path / name, "small") for name in ("ours", "theirs", "into"))
    for store, owner in ((ours, "ours"), (theirs, "theirs")):
        finish(store, "a", run_id=owner)
        store.suite_record.write_text(owner)
    merge([ours.folder.parent, theirs.folder.parent], into.folder.parent)
    assert into.suite_record.read_text() == "ours"
    theirs.suite_record.write_text("x" * (1 << 20) + "x")
    _, (problem,) = merge([theirs.folder.parent], tmp_path / "another")
    assert str(problem).startswith(f"{theirs.suite_record} cannot be read")


def test_merging_names_what_it_cannot_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "ours", "small")
    finish(store, "a")
    broken = store.folder / "broken.parquet"
    broken.write_bytes(b"no")
    _, unreadable = merge([tmp_path / "ours"], tmp_path / "into")
    assert [problem.path for problem in unreadable] == [broken]
    assert len(load(tmp_path / "into")) == 2


def test_merging_nothing_or_into_itself_is_refused(tmp_path: Path) -> None:
    finish(Store(tmp_path, "small"), "a")
    with pytest.raises(BadInput, match="into itself"):
        merge([tmp_path], tmp_path / "." / "")
    with pytest.raises(BadInput, match=r"no results in .*nowhere"):
        merge([tmp_path, tmp_path / "nowhere"], tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_names_of_somebody_else_lead_nowhere(tmp_path: Path) -> None:
    foreign = Store(tmp_path / "foreign", "small")
    finish(foreign, "a")
    rows = [row("b", run_id="../../escaped"), row("../c"), row("d", run_id="r9")]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), foreign.folder / "hostile.parquet")
    assert {problem.what for problem in verify(tmp_path / "foreign")} == {
        "has rows whose run_id '../../escaped' cannot name a file",
        "has rows whose cell_id '../c' cannot name a file",
    }
    assert [run.run_id for run in runs(tmp_path / "foreign")] == ["../../escaped", "r1", "r9"]

    written, problems = merge([tmp_path / "foreign"], tmp_path / "mine")
    assert [path.parent for path in written] == [tmp_path / "mine" / "small"]
    assert sorted(problem.what for problem in problems) == [
        "has rows whose cell_id '../c' cannot name a file; left out",
        "has rows whose run_id '../../escaped' cannot name a file; left out",
    ]
    assert sorted(load(tmp_path / "mine")["cell_id"]) == ["a", "a", "d"]
    assert verify(tmp_path / "mine") == []

    # Sealed where it lies, such a row stays in the folder.
    hostile = foreign.files / "cells" / "r8" / "x.1.parquet"
    hostile.parent.mkdir()
    (foreign.folder / "hostile.parquet").rename(hostile)
    foreign.seal_leftovers()
    assert {path.parent for path in tmp_path.rglob("*.parquet")} == {foreign.folder, tmp_path / "mine" / "small"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", "mine"]
