"""The commands that draw and write, from the command line to the files."""

from pathlib import Path

import pandas as pd
import pytest
from report_frames import suite_frame

from moebench.cli import main
from moebench.results import write_rows


@pytest.fixture
def results(tmp_path: Path) -> Path:
    frame = suite_frame().astype(object)
    rows = [{key: value for key, value in row.items() if not _missing(value)} for row in frame.to_dict("records")]
    write_rows(rows, tmp_path / "results" / "scaling-experts" / "20250102T030405-abc.parquet")
    return tmp_path / "results"


def _missing(value: object) -> bool:
    return not isinstance(value, list) and bool(pd.isna(value))


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_plot_writes_the_figure_and_the_numbers_behind_it(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "speed.pdf", tmp_path / "speed.csv"
    options = ("--out", str(out), "--data", str(data), "--style", "talk", "--columns", "1")
    assert called("plot", "speed", *options, "--results", str(results)) == 0
    assert capsys.readouterr().out.split() == [str(out), str(data)]
    written = pd.read_csv(data)
    assert written["quantity"].value_counts().to_dict() == {"train_step_vs_dense": 16, "infer_vs_dense": 16}
    assert set(pd.read_csv(data, dtype=str)["experts"]) == {"1", "2", "4", "8", "16"}
    # Half a slide before it is magnified: 3 inches of 72 points.
    assert b"/MediaBox [ 0 0 216 " in out.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--style", "papr"), "did you mean 'paper'"), (("--columns", "3"), "1 or 2 columns wide, not 3")],
)
def test_a_place_that_does_not_exist_is_said(
    results: Path, options: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("plot", "costs", *options, "--results", str(results)) == 2
    assert message in capsys.readouterr().err


def test_report_writes_markdown_that_finds_its_figures(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "notes" / "report.md"
    assert called("report", "--out", str(out), "--results", str(results)) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    names = ("pareto", "scaling", "health", "curves", "costs", "speed")
    assert paths == [out, *(out.parent / "report_figures" / f"{name}.png" for name in names)]
    assert all(path.stat().st_size > 0 for path in paths)
    assert all(f"(<report_figures/{name}.png>)" in out.read_text(encoding="utf-8") for name in names)
