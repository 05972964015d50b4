"""Results for other programs."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from results_rows import finish

from moebench.errors import BadInput
from moebench.results import SCHEMA, Store, export, load
from moebench.results.csv_files import write_csv_frame


@pytest.fixture
def results(tmp_path: Path) -> Path:
    finish(Store(tmp_path / "results", "small"), "a", router='a|b\n<i>, "c"\\', top_k=None, accuracy=0.123456)
    return tmp_path / "results"


def test_csv_keeps_every_value(results: Path, tmp_path: Path) -> None:
    path, problems = export(tmp_path / "out.csv", results)

    assert problems == []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == SCHEMA.names
    assert [line["seed"] for line in rows] == ["0", "1"]
    assert rows[0]["router"] == 'a|b\n<i>, "c"\\'
    assert rows[0]["top_k"] == ""
    assert rows[0]["accuracy"] == "0.123456"
    assert json.loads(rows[0]["expert_load"]) == [[0.5, 0.5], [0.25, 0.75]]
    assert pd.to_datetime(rows[0]["started_at"]) == load(results)["started_at"][0]


def test_parquet_is_one_file_with_all_types(results: Path, tmp_path: Path) -> None:
    path, _ = export(tmp_path / "out.parquet", results, columns=["seed", "expert_load", "started_at"])
    frame = pd.read_parquet(path)
    pd.testing.assert_frame_equal(frame, load(results, columns=["seed", "expert_load", "started_at"]))


def test_markdown_shows_a_table_that_no_value_breaks(results: Path, tmp_path: Path) -> None:
    path, _ = export(tmp_path / "out.md", results, "small", ["router", "seed", "accuracy", "top_k"])
    assert path.read_text(encoding="utf-8") == (
        "| router | seed | accuracy | top\\_k |\n"
        "| --- | ---: | ---: | ---: |\n"
        '| a\\|b &lt;i\\>, "c"\\\\ | 0 | 0.1235 |  |\n'
        '| a\\|b &lt;i\\>, "c"\\\\ | 1 | 0.1235 |  |\n'
    )
    default, _ = export(tmp_path / "default.md", results)
    assert default.read_text(encoding="utf-8").startswith(
        "| suite | seed | status | router | model | data | experts | total\\_slots |"
    )


def test_what_cannot_be_read_is_named(results: Path, tmp_path: Path) -> None:
    (results / "small" / "r0.parquet").write_bytes(b"")
    _, problems = export(tmp_path / "out.csv", results)
    assert [problem.path.name for problem in problems] == ["r0.parquet"]


def test_another_ending_is_refused_and_nothing_written(results: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'out\.xlsx': its ending must be one of \.csv, \.parquet, \.md"):
        export(tmp_path / "out.xlsx", results)
    with pytest.raises(BadInput, match="unknown column 'sed': did you mean 'seed'"):
        export(tmp_path / "out.csv", results, columns=["sed"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        ("soft", "soft"),
        ("a=b", "a=b"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202egnp", "\\u202egnp"),
    ],
)
def test_a_spreadsheet_runs_nothing_that_stands_in_a_csv(tmp_path: Path, text: str, written: str) -> None:
    finish(Store(tmp_path / "results", "small"), "a", router=text, seeds=(0,))
    path, _ = export(tmp_path / "out.csv", tmp_path / "results")
    with path.open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["router"] == written
    frame = pd.DataFrame({"name": [text], "value": [-1.0]})
    write_csv_frame(frame, tmp_path / "frame.csv")
    with (tmp_path / "frame.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file)) == {"name": written, "value": "-1.0"}
