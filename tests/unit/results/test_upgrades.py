"""Old files are read as if written today."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paths import DATA
from results_rows import row

from moebench.results import SCHEMA, SCHEMA_VERSION, load, upgrades, write_rows
from moebench.results.parquet_files import read_file

GOLDEN = DATA / "golden" / "results_v1.parquet"


def test_every_version_before_todays_has_an_upgrade() -> None:
    assert sorted(upgrades.UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_a_file_of_version_1_reads_as_ever(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "r1.parquet").write_bytes(GOLDEN.read_bytes())

    frame = load(tmp_path, "small")

    assert list(frame.columns) == SCHEMA.names
    assert frame["seed"].tolist() == [0, 1]
    assert frame["status"].tolist() == ["ok", "diverged"]
    assert frame["accuracy"].tolist()[0] == 0.9
    assert frame["curve_loss"][0].tolist() == [2.0, 1.0]
    assert [loads.tolist() for loads in frame["expert_load"][0]] == [[0.5, 0.5], [0.25, 0.75]]


def test_what_version_1_called_bfloat16_is_mixed(tmp_path: Path) -> None:
    text = '{"model": "bfloat16", "precision": "bfloat16"}'
    old = pa.table(
        {"precision": ["bfloat16", "float32"], "config": [text, "{}"]}, metadata={"moebench_schema_version": "1"}
    )
    pq.write_table(old, tmp_path / "old.parquet")
    table = read_file(tmp_path / "old.parquet", ["precision", "config"])
    assert isinstance(table, pa.Table)
    assert table["precision"].to_pylist() == ["mixed", "float32"]
    assert table["config"].to_pylist() == ['{"model": "bfloat16", "precision": "mixed"}', "{}"]


def test_a_file_of_version_2_reads_in_todays_words(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "r1.parquet").write_bytes((DATA / "golden" / "results_v2.parquet").read_bytes())

    frame = load(tmp_path)

    assert list(frame.columns) == SCHEMA.names
    before = pq.read_table(DATA / "golden" / "results_v2.parquet").to_pydict()
    assert frame["scope"].tolist() == before["measure"]
    assert frame["pretrain_data"].tolist()[0] == before["upstream"][0] == "fractals-100"
    assert frame["other_s"][1] == before["rest_s"][1] is not None
    assert frame["reference_kernel_s"][1] == before["anchor_s"][1] is not None
    assert frame["other_process_cpu_share"][1] == before["foreign_cpu_share"][1] is not None
    assert before["timing_flags"][1][0] == "training:not_steady"
    assert frame["timing_flags"].tolist()[0] is None
    assert frame["timing_flags"][1][0] == "training:unsteady"
    assert frame["timing_flags"][1][-1] == "inference:budget_exhausted"
    keys = set(json.loads(frame["config"][0]))
    assert {"pretrain_data", "pretrain_steps"} <= keys
    assert not {key for key in keys if key.startswith("upstream")}


def test_upgrades_run_in_order_on_whole_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Version 1 of this story had the accuracy in per cent under another name; version 2 renamed it, version 3 made
    # it a share. Both steps are needed, in this order, and only `accuracy` is asked for.
    old = pa.table(
        {"suite": ["small"], "cell_id": ["c1"], "precision_at_one": [90.0]},
        metadata={"moebench_schema_version": "1"},
    )
    pq.write_table(old, tmp_path / "old.parquet")

    def to_2(table: pa.Table) -> pa.Table:
        return table.rename_columns({"precision_at_one": "accuracy"})

    def to_3(table: pa.Table) -> pa.Table:
        place = table.column_names.index("accuracy")
        return table.set_column(place, "accuracy", pa.array([v / 100 for v in table["accuracy"].to_pylist()]))

    monkeypatch.setattr(upgrades, "UPGRADES", {1: to_2, 2: to_3})
    for module in ("upgrades", "parquet_files"):
        monkeypatch.setattr(f"moebench.results.{module}.SCHEMA_VERSION", 3)

    table = read_file(tmp_path / "old.parquet", ["accuracy", "seed"])

    assert table.column_names == ["accuracy", "seed"]
    assert table["accuracy"].to_pylist() == [0.9]
    assert table["seed"].to_pylist() == [None]


def test_columns_that_a_later_version_added_survive_reading_and_conforming(tmp_path: Path) -> None:
    table = pq.read_table(write_rows([row()], tmp_path / "a.parquet"))
    later = table.drop_columns(["accuracy"]).append_column("novelty", pa.array([1.5]))
    pq.write_table(later.replace_schema_metadata(SCHEMA.metadata), tmp_path / "later.parquet")

    read = read_file(tmp_path / "later.parquet")

    assert read.column_names == [*SCHEMA.names, "novelty"]
    assert read["novelty"].to_pylist() == [1.5]
    assert read["accuracy"].to_pylist() == [None]
