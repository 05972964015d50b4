"""`moebench claims` and `moebench power`, from the command line to the exit code."""

from pathlib import Path

import pandas as pd
import pytest
from claim_frames import cell, table

from moebench.cli import main
from moebench.results import Store, write_rows
from moebench.results.suite_folder import SuiteFolder
from moebench.spec.yaml_source import parse
from moebench.suites.suite_file import validate
from moebench.suites.suite_record import question_and_claims, remember

SUITE = """
name: mine
question: Is it?
claims:
  - {says: Soft MoE beats the dense model, source: "2308.00951, section 3.3", printed: +1.0 points,
     better: {router: soft}, than: {router: dense}}
  - {says: BPR beats the dense model, source: "2106.05974, section 4", better: {router: bpr}, than: {router: dense}}
profiles: {cpu: {seeds: [0, 1, 2]}}
cells: [{router: [dense, soft, bpr]}]
"""


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite of one's own, and its results."""
    (tmp_path / "mine.yaml").write_text(SUITE, encoding="utf-8")
    frame = table(cell("dense", (0.90, 0.92, 0.91)), cell("soft", (0.94, 0.95, 0.96)), cell("bpr", (0.90, 0.95, 0.91)))
    rows = [
        {key: value for key, value in row.items() if isinstance(value, list) or not pd.isna(value)}
        for row in frame.astype(object).to_dict("records")
    ]
    write_rows(rows, tmp_path / "results" / "mine" / "20250102T030405-abc.parquet")
    remember(Store(tmp_path / "results", "mine"), validate(parse(SUITE, tmp_path / "mine.yaml")))
    return tmp_path


def test_claims_are_listed_paper_by_paper(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("claims", "--results", str(folder / "results")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if line.strip() in ("2106.05974", "2308.00951")] == [
        "2106.05974",
        "2308.00951",
    ]
    soft = next(line for line in lines if line.startswith("Soft MoE beats"))
    assert "+1.0 points" in soft
    assert "mine (cpu)" in soft
    assert lines[-1] == "2 claims: 1 shown, 0 contradicted, 1 undecided."


def test_a_suite_without_claims_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SuiteFolder(folder / "results", "mine").suite_record.unlink()
    assert called("claims", "--results", str(folder / "results")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "No claims: mine.",
        "0 claims: 0 shown, 0 contradicted, 0 undecided.",
    ]


def test_a_damaged_record_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SuiteFolder(folder / "results", "mine").suite_record.write_text(
        '{"shipped": false, "question": "?", "claims": [{"says": "x"}]}'
    )
    assert called("claims", "--results", str(folder / "results")) == 2
    assert "suite.json: the key 'source' is missing. The next run" in capsys.readouterr().err


def test_a_folder_without_results_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("claims", "--results", str(tmp_path)) == 2
    assert "no results in" in capsys.readouterr().err


def test_shipped_suites_are_asked_for_today_unless_another_of_that_name_was_run(tmp_path: Path) -> None:
    text = SUITE.replace("name: mine", "name: capacity")
    other = validate(parse(text, tmp_path / "capacity.yaml"))
    remember(Store(tmp_path, "capacity"), other)
    assert question_and_claims(SuiteFolder(tmp_path, "capacity")).question == "Is it?"
    SuiteFolder(tmp_path, "capacity").suite_record.unlink()
    assert question_and_claims(SuiteFolder(tmp_path, "capacity")).question.startswith("How much quality is lost")
    assert question_and_claims(SuiteFolder(tmp_path, "mine")).claims == ()


def test_seeds_that_a_point_needs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite, results = str(folder / "mine.yaml"), str(folder / "results")
    assert called("power", suite, "--difference", "1", "--results", results) == 0
    printed = capsys.readouterr().out
    soft = next(line for line in printed.splitlines() if line.startswith("Soft MoE"))
    assert "1 points" in soft
    assert "Scatter of cpu, from" in printed
    assert called("power", suite, "--results", str(folder / "none")) == 0
    assert "accuracies are taken to scatter by 0.6 points over seeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--difference", "0"], "must be above 0, not 0"),
        (["--difference", "x"], "'x' is no number"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("power", str(folder / "mine.yaml"), *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_suite_that_claims_nothing_has_nothing_to_find(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SUITE[: SUITE.index("claims:")] + SUITE[SUITE.index("profiles:") :]
    (folder / "none.yaml").write_text(text, encoding="utf-8")
    assert called("power", str(folder / "none.yaml")) == 2
    assert "has no claims" in capsys.readouterr().err
