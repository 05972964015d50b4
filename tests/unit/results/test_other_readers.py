"""What polars and DuckDB find in the folders of suites, once old files have today's columns."""

from pathlib import Path

import duckdb
import polars
import pyarrow.parquet as pq
import pytest
from paths import DATA
from results_rows import finish, row

from moebench.results import SCHEMA, Store, load, write_rows


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two suites: a file of table version 2 and one of today, and a suite with working files beside its table."""
    root = tmp_path_factory.mktemp("others")
    (root / "small").mkdir()
    (root / "small" / "r0.parquet").write_bytes((DATA / "golden" / "results_v2.parquet").read_bytes())
    likelihoods = {"image_log_likelihood": [-0.5, -1.5], "image_correct": [True, False]}
    write_rows([row("new", suite="small", **likelihoods)], root / "small" / "r1.parquet")
    other = Store(root, "other")
    finish(other, "sealed")
    other.seal("r1")
    finish(other, "unsealed", run_id="r2")
    other.log_file("r2", "unsealed", 1).write_text("printed\n")
    other.suite_record.write_text("{}")
    (other.report_folder / "report.md").write_text("# Report\n")
    before = load(root)
    assert Store(root, "small").renew() == [root / "small" / "r0.parquet"]
    assert other.renew() == []
    assert load(root).equals(before)
    return root


def test_renewed_files_have_equal_columns(root: Path) -> None:
    assert all(pq.read_schema(path).equals(SCHEMA) for path in root.glob("*/*.parquet"))


def test_polars_reads_a_suite_and_the_tables_of_all(root: Path) -> None:
    rows = pq.read_table(root / "small" / "r0.parquet").num_rows + 1
    one = polars.read_parquet(root / "small")
    assert one.shape == (rows, len(SCHEMA))
    (likelihoods,) = one.filter(polars.col("cell_id") == "new")["image_log_likelihood"].to_list()
    assert likelihoods == [-0.5, -1.5]
    # Of a suite with a log, a report and a cell that is not sealed, the folder holds the table alone.
    assert polars.read_parquet(root / "other").shape == (2, len(SCHEMA))
    every = polars.read_parquet(root / "*" / "*.parquet")
    assert every.shape == (rows + 2, len(SCHEMA))


def test_duckdb_reads_a_suite_and_the_tables_of_all(root: Path) -> None:
    rows = pq.read_table(root / "small" / "r0.parquet").num_rows + 1
    one = duckdb.sql(f"select * from '{root}/small/*.parquet'")
    assert (len(one.fetchall()), one.columns) == (rows, SCHEMA.names)
    every = duckdb.sql(f"select suite = 'other' from '{root}/*/*.parquet'").fetchall()
    assert sorted(every) == [(False,)] * rows + [(True,)] * 2
