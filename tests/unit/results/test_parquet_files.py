"""One result file: what may be written, how it appears, and what a reader says of a broken one."""

import errno
import json
import os
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from results_rows import BEGAN, row

from moebench.errors import BadInput
from moebench.files import publishing
from moebench.results import SCHEMA, SCHEMA_VERSION, Problem, write_rows
from moebench.results.parquet_files import read_file, read_files


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = write_rows([row(seed=3), row(seed=4, accuracy=None, router="ä|\n")], tmp_path / "deep" / "a.parquet")

    table = pq.read_table(path)

    assert path == tmp_path / "deep" / "a.parquet"
    assert table.column_names == SCHEMA.names
    assert read_file(path).schema.equals(SCHEMA, check_metadata=True)
    assert table["schema_version"].to_pylist() == [SCHEMA_VERSION] * 2
    assert table["seed"].to_pylist() == [3, 4]
    assert table["accuracy"].to_pylist() == [0.9, None]
    assert table["router"].to_pylist() == ["soft", "ä|\n"]
    assert table["started_at"].to_pylist()[0] == BEGAN.replace(second=8)
    assert table["expert_load"].to_pylist()[0] == [[0.5, 0.5], [0.25, 0.75]]
    assert table["infer_s_per_image"].to_pylist() == [None, None]


def test_numpy_values_are_taken(tmp_path: Path) -> None:
    values = {"accuracy": np.float32(0.5), "curve_step": np.arange(3), "expert_load": np.full((1, 2), 0.5)}

    table = read_file(write_rows([row(seed=np.int64(7), **values)], tmp_path / "a.parquet"))

    assert table["seed"].to_pylist() == [7]
    assert table["accuracy"].to_pylist() == [0.5]
    assert table["curve_step"].to_pylist() == [[0, 1, 2]]
    assert table["expert_load"].to_pylist() == [[[0.5, 0.5]]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"acuracy": 1.0}, "unknown column 'acuracy': did you mean 'accuracy'"),
        ({"status": "fine"}, "unknown status 'fine': known are: crashed"),
        ({"seed": None}, "a result row lacks 'seed'"),
        ({"status": None}, "a result row lacks 'status'"),
        ({"experts": 2.5}, "column 'experts' is of type int32"),
        ({"curve_step": [1, 2.5]}, "column 'curve_step' is of type list"),
        ({"experts": 2**40}, "column 'experts' is of type int32"),
        ({"accuracy": "high"}, "column 'accuracy' is of type double"),
        ({"curve_loss": 1.0}, "column 'curve_loss' is of type list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        write_rows([row() | values], tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_seen_of_a_file_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("old")
    with publishing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.name.startswith(".")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("old")

    def interrupted() -> None:
        with publishing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_midway_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = write_rows([row()], tmp_path / "a.parquet")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # smaller than any result file
    try:
        with pytest.raises(BadInput, match=r"cannot write .*a\.parquet: .*; what was there before is unchanged"):
            write_rows([row(seed=1)], path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_when_the_file_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "nothing left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=f"cannot write .*: {os.strerror(errno.ENOSPC)}"):
        write_rows([row()], tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_broken_files_are_named_and_hide_no_other(tmp_path: Path) -> None:
    good = write_rows([row()], tmp_path / "good.parquet")
    whole = good.read_bytes()
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "text.parquet").write_text("hello, I am a text that is no Parquet file")
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    newer = SCHEMA.with_metadata({"moebench_schema_version": str(SCHEMA_VERSION + 1)})
    pq.write_table(newer.empty_table(), tmp_path / "newer.parquet")

    tables, problems = read_files([*sorted(tmp_path.iterdir()), tmp_path / "gone.parquet"])

    assert list(tables) == [good]
    faults = {problem.path.stem: problem.what for problem in problems}
    assert set(faults) == {"empty", "text", "cut", "other", "newer"}
    assert faults["text"].startswith("is no readable Parquet file (")
    assert faults["other"] == "is a Parquet file without moebench results"
    assert "newer moebench" in faults["newer"]
    assert str(problems[0]) == f"{problems[0].path} {problems[0].what}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_file_raises(tmp_path: Path, data: st.DataObject) -> None:
    path = write_rows([row(config=json.dumps({"a": 1}))], tmp_path / "a.parquet")
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)

    assert isinstance(read_file(path), pa.Table | Problem)
