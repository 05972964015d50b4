"""`moebench compare`, from the command line to the exit code."""

import json
from pathlib import Path

import pandas as pd
import pytest
from comparison_frames import STEADY, cell, table

from moebench.cli import main
from moebench.results import write_rows

SLOWER = [1.2 * sample for sample in STEADY]


def written(frame: pd.DataFrame, folder: Path, run: str = "20250102T030405-abc") -> Path:
    rows = [
        {key: value for key, value in row.items() if isinstance(value, list) or not pd.isna(value)}
        for row in frame.assign(run_id=run).astype(object).to_dict("records")
    ]
    write_rows(rows, folder / "scaling-experts" / f"{run}.parquet")
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft MoE that is slower than BPR by a fifth, each with 4 and 8 experts, and dense."""
    cells = [
        cell(router, experts, ratios=ratios)
        for router, ratios in (("soft", SLOWER), ("bpr", STEADY))
        for experts in (4, 8)
    ]
    return written(table(*cells, cell("dense", 1)), tmp_path_factory.mktemp("compare") / "results")


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    return int(ended.value.code or 0)


def test_a_table_for_each_metric_and_the_verdict_in_a_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("router=soft", "router=bpr", "--results", str(results)) == 0
    out = capsys.readouterr().out
    assert "soft[experts=8] / bpr[experts=8]" in out
    assert "all 2" in out
    last = out.splitlines()[-1]
    assert last.startswith("router=soft against router=bpr, 2 pairs of cells: worse in time of a training step, times")
    assert "; not significant in accuracy (" in last
    assert "corrected for the number of comparisons (Holm): 3 metrics over all cells, 6 on single cells." in last


def test_folders_runs_and_the_gates_exit_code(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = written(cell("soft", 4), tmp_path / "other", "20250103T030405-def")
    options = ("--metric", "train_step_vs_dense", "--fail-if-slower", "5%", "--results", str(results))
    assert called(str(results), str(other), *options) == 1
    out = capsys.readouterr().out
    assert "Only in A, not compared: soft[experts=8], bpr[experts=4], bpr[experts=8], dense." in out
    assert "--fail-if-slower 5%: failed, Time of a training step, times dense +20.0 % [" in out
    assert called(str(other), "20250102T030405-abc", *options) == 0
    assert "--fail-if-slower 5%: passed" in capsys.readouterr().out
    assert called(str(other), "a0b8909", *options, "--fail-if-worse", "1%") == 2
    ended = capsys.readouterr()
    assert "--fail-if-worse 1%: cannot be decided, for nothing was compared in accuracy" in ended.err


def test_json_and_markdown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("router=soft", "router=dense", "--results", str(results), "--fail-if-slower", "5%")
    assert called(*options, "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert record["verdicts"] == {
        "accuracy": "not significant", "train_step_vs_dense": "worse", "infer_vs_dense": "worse",
    }  # fmt: skip
    assert [gate["state"] for gate in record["gates"]] == ["failed"]
    assert called(*options, "--markdown") == 1
    assert capsys.readouterr().out.startswith("**router=soft against router=dense, 2 pairs of cells: worse in ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["router=soft", "router=bpr", "--fail-if-slower", "5"], "such as 5% or 0.05, not '5'"),
        (["router=soft", "router=bpr", "--json", "--markdown"], "two formats of one output"),
        (["router=soft", "router=sotf"], ": did you mean 'soft'?"),
        (["router=soft", "experts=8", "--metric", "acuracy"], "did you mean 'accuracy'"),
        (["experts=4", "experts=8", "--suite", "scaling"], "did you mean 'scaling-experts'"),
        (["router=soft", "bpr"], "did you mean 'router=bpr'"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(
    results: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(*arguments, "--results", str(results)) == 2
    assert message in capsys.readouterr().err


def test_an_empty_folder_is_answered_with_what_to_do(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(str(tmp_path), "router=soft", "--results", str(results)) == 2
    assert f"moebench: no results in {tmp_path}: `moebench suite NAME" in capsys.readouterr().err
