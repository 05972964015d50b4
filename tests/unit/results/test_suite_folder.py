"""Files that earlier versions put into the folder of a table are found, and moved away from it."""

from pathlib import Path

import pytest
from results_rows import row

from moebench.results import Store, load, write_rows
from moebench.results.loading import located
from moebench.results.suite_folder import suite_names


@pytest.fixture
def earlier(tmp_path: Path) -> Store:
    """Return a suite as earlier versions left it: a sealed run, and one that was killed."""
    folder = tmp_path / "small"
    for name in ("_cells/r2", "_superseded", "_logs/r2", "_running", "_checkpoints/b/params", "_routing", "_report"):
        (folder / name).mkdir(parents=True)
    write_rows([row("a", suite="small", run_id="r1")], folder / "r1.parquet")
    write_rows([row("b", suite="small", run_id="r2")], folder / "_cells" / "r2" / "b.1.parquet")
    write_rows([row("a", suite="small", run_id="r0", attempt=0)], folder / "_superseded" / "r0.parquet")
    (folder / "_logs" / "r2" / "b.1.log").write_text("printed")
    (folder / "_checkpoints" / "b" / "params" / "0").write_bytes(b"state")
    (folder / "_suite.json").write_text("{}")
    return Store(tmp_path, "small")


def test_earlier_files_are_read_where_they_are(earlier: Store) -> None:
    assert {*load(earlier.root)["cell_id"]} == {"a", "b"}
    assert [path.name for path in earlier.superseded_files()] == ["r0.parquet"]
    assert earlier.find_suite_record() == earlier.folder / "_suite.json"
    assert earlier.recording_folders()[1] == earlier.folder / "_routing"
    assert located(earlier.folder, None) == (earlier.root, "small")


def test_earlier_files_move_without_a_loss(earlier: Store) -> None:
    before = load(earlier.root)
    earlier.adopt_earlier_files()
    assert [path.name for path in earlier.folder.iterdir()] == ["r1.parquet"]
    assert load(earlier.root).equals(before)
    assert (earlier.files / "logs" / "r2" / "b.1.log").read_text() == "printed"
    assert (earlier.checkpoint_folder("b") / "params" / "0").read_bytes() == b"state"
    assert earlier.find_suite_record() == earlier.files / "suite.json"
    assert [path.name for path in earlier.superseded_files()] == ["r0.parquet"]
    earlier.adopt_earlier_files()  # again, with nothing left to move
    assert load(earlier.root).equals(before)


def test_a_name_that_is_taken_keeps_both_files(earlier: Store) -> None:
    earlier.log_file("r2", "b", 1).write_text("of today")
    earlier.adopt_earlier_files()
    assert (earlier.files / "logs" / "r2" / "b.1.log").read_text() == "of today"
    assert (earlier.folder / "_logs" / "r2" / "b.1.log").read_text() == "printed"


def test_compacting_moves_them_too(earlier: Store) -> None:
    earlier.renew()
    assert [path.name for path in earlier.folder.iterdir()] == ["r1.parquet"]


def test_a_suite_whose_first_cells_are_not_sealed_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path, "young")
    write_rows([row("a", suite="young", run_id="r1")], store.cell_file("r1", "a", 1))
    assert suite_names(tmp_path) == ["young"]
    assert located(store.folder, None) == (tmp_path, "young")
    assert len(load(store.folder)) == 1
    assert list(store.folder.iterdir()) == []
