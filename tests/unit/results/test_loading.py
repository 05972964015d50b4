"""Everything in a results folder as one frame."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from costs import python_calls
from results_rows import BEGAN, finish, row

from moebench.errors import BadInput
from moebench.results import (
    SCHEMA,
    Store,
    UnreadableFileWarning,
    chosen_stores,
    gather,
    load,
    located,
    merge,
    runs,
    verify,
)
from moebench.results.parquet_files import write_table
from moebench.results.selection import History


def test_sealed_and_unsealed_rows_of_all_suites(tmp_path: Path) -> None:
    first, second = Store(tmp_path, "first"), Store(tmp_path, "second")
    finish(first, "a")
    first.seal("r1")
    finish(first, "a", seeds=(1,), run_id="r2", attempt=2, accuracy=0.5)
    finish(second, "a", seeds=(0,))

    frame = load(tmp_path)

    assert list(frame.columns) == SCHEMA.names
    frame = frame.sort_values(["suite", "seed"])
    assert frame["suite"].tolist() == ["first", "first", "second"]
    assert frame["attempt"].tolist() == [1, 2, 1]
    assert frame["accuracy"].tolist() == [0.9, 0.5, 0.9]
    assert str(frame["started_at"].dtype) == "datetime64[us, UTC]"
    assert load(tmp_path, "second")["suite"].tolist() == ["second"]


def test_the_frame_is_the_one_that_pandas_reads(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a", top_k=None, experts=8)
    store.seal("r1")
    pd.testing.assert_frame_equal(load(tmp_path, "small"), pd.read_parquet(tmp_path / "small"))


def test_only_the_columns_asked_for(tmp_path: Path) -> None:
    finish(Store(tmp_path, "small"), "a", seeds=(0,))
    frame = load(tmp_path, columns=["accuracy", "router"])
    assert list(frame.columns) == ["accuracy", "router"]
    assert frame.to_dict("list") == {"accuracy": [0.9], "router": ["soft"]}


def test_an_unreadable_file_is_named_and_the_rest_is_loaded(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    broken = store.folder / "broken.parquet"
    broken.write_text("no Parquet")

    with pytest.warns(UnreadableFileWarning, match=r"left out: .*broken\.parquet is no readable Parquet file"):
        frame = load(tmp_path)

    assert len(frame) == 2
    assert [problem.path for problem in gather(tmp_path)[1]] == [broken]


def test_a_copied_suite_folder_brings_no_row_twice(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    sealed = store.seal("r1")
    assert sealed is not None
    (tmp_path / "small-backup").mkdir()
    (tmp_path / "small-backup" / "r1.parquet").write_bytes(sealed.read_bytes())
    assert len(load(tmp_path)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"suite": "smal"}, "unknown suite among the results 'smal': did you mean 'small'"),
        ({"columns": ["acuracy"]}, "unknown column 'acuracy': did you mean 'accuracy'"),
        ({"root": "nowhere"}, "no results in .*nowhere: there is no such folder"),
        ({"root": "empty"}, "no results in .*empty: `moebench suite NAME"),
        (
            {"root": "results/small", "suite": "large"},
            r"small has the results of the suite 'small', not of 'large'",
        ),
        ({"root": "unreadable"}, r"no row of results could be read in .*unreadable; .*r1\.parquet is no readable"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(tmp_path: Path, arguments: dict[str, str], message: str) -> None:
    store = Store(tmp_path / "results", "small")
    finish(store, "a")
    store.seal("r1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "unreadable" / "small").mkdir(parents=True)
    (tmp_path / "unreadable" / "small" / "r1.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match=message):
        load(**{"root": tmp_path / arguments.pop("root", "results")} | arguments)


def test_a_cell_that_is_sealed_while_it_is_read_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = Store(tmp_path, "small"), Store(tmp_path, "small")
    finish(store, "a")
    store.seal("r1")
    finish(store, "a", run_id="r2", attempt=2)
    listed = store.sealed_files

    def then_sealed() -> list[Path]:
        found = listed()
        monkeypatch.undo()
        other.seal("r2")
        return found

    # The other driver seals between this reader's listing of the sealed files and its reading of them.
    monkeypatch.setattr(store, "sealed_files", then_sealed)
    assert [finished.attempt for finished in store.finished().values()] == [2, 2]


def many_rows(root: Path, n: int) -> list[str]:
    """Write one sealed file of so many rows, and return the columns that are not lists."""
    scalars = [field for field in SCHEMA if not pa.types.is_list(field.type)]
    numbers = np.arange(n)
    made = {
        "suite": pa.array(["small"]).take(pa.array(np.zeros(n, int))),
        "cell_id": pa.array([f"{i:016x}" for i in range(n // 5)]).take(pa.array(numbers // 5)),
        "seed": pa.array((numbers % 5).astype(np.int32)),
        "attempt": pa.array(np.ones(n, np.int32)),
        "run_id": pa.array(["r1"]).take(pa.array(np.zeros(n, int))),
        "started_at": pa.array([BEGAN], pa.timestamp("us", tz="UTC")).take(pa.array(np.zeros(n, int))),
        "router": pa.array(["soft", "dense"]).take(pa.array(numbers % 2)),
        "accuracy": pa.array(numbers / n),
        "params": pa.array(numbers),
    }
    columns = [made.get(field.name, pa.nulls(n, field.type)) for field in scalars]
    write_table(pa.table(columns, schema=pa.schema(scalars, metadata=SCHEMA.metadata)), root / "small" / "r1.parquet")
    return [field.name for field in scalars]


def test_many_rows_in_one_file_load_whole_and_no_row_costs_a_call_of_python(tmp_path: Path) -> None:
    calls = {}
    for n in (1_000, 100_000):
        root = tmp_path / str(n)
        names = many_rows(root, n)
        frame = load(root, columns=names)
        assert len(frame) == n
        assert frame["accuracy"].iloc[-1] == (n - 1) / n
        calls[n] = python_calls(partial(load, root, columns=names))
    assert calls[100_000] <= calls[1_000]


def test_unsealed_cells_load_with_each_file_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, "small")
    template = finish(store, "0", seeds=(0,))
    table = pq.read_table(template)
    place = table.column_names.index("cell_id")
    for number in range(50):
        named = table.set_column(place, "cell_id", pa.array([str(number)]))
        pq.write_table(named, template.with_name(f"{number}.parquet"))

    opened: Counter[str] = Counter()

    open_file = pq.ParquetFile

    def counting(source: Path, **options: Any) -> pq.ParquetFile:
        opened[str(source)] += 1
        return open_file(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", counting)
    frame = load(tmp_path)

    assert sorted(frame["cell_id"].astype(int)) == list(range(50))
    assert len(opened) == len(list(template.parent.iterdir())) == 51
    assert set(opened.values()) == {1}
    assert len(store.finished()) == 50


def test_row_helper_matches_the_schema() -> None:
    assert set(row()) <= set(SCHEMA.names)


@pytest.mark.parametrize("way", ["results/small", "results/small/", "results/../results/small", "linked", "."])
def test_the_folder_of_one_suite_is_taken_wherever_results_are_named(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "results", "small")
    finish(store, "a")
    finish(Store(tmp_path / "results", "other"), "b")
    (tmp_path / "linked").symlink_to(tmp_path / "results")
    monkeypatch.chdir(store.folder if way == "." else tmp_path)
    root = "linked/small" if way == "linked" else way
    assert set(load(root)["suite"]) == {"small"}
    assert {run.suite for run in runs(root)} == {"small"}
    assert verify(root) == []
    assert set(History(Path(root)).attempts["suite"]) == {"small"}
    written, _ = merge([root], tmp_path / "merged")
    assert [path.parent.name for path in written] == ["small"]
    (found,) = chosen_stores(root, None)
    sealed = found.seal_leftovers()
    assert sealed is not None
    assert sealed.resolve().parent == store.folder


def test_a_table_beside_the_suites_makes_no_suite_of_their_folder(tmp_path: Path) -> None:
    finish(Store(tmp_path, "small"), "a")
    (tmp_path / "exported.parquet").write_bytes(b"")
    assert located(tmp_path, None) == (tmp_path, None)
    assert set(load(tmp_path)["suite"]) == {"small"}
