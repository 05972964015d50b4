"""The commands that draw and write, from the command line to the files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recordings import hard_frame, written
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
    names = ("forest", "pareto", "scaling", "health", "curves", "costs", "speed")
    assert paths == [out, *(out.parent / "report_figures" / f"{name}.png" for name in names)]
    assert all(path.stat().st_size > 0 for path in paths)
    assert all(f"(<report_figures/{name}.png>)" in out.read_text(encoding="utf-8") for name in names)


@pytest.fixture
def recorded(results: Path) -> Path:
    """The results with one recording of bpr."""
    frame = hard_frame(np.tile([[[0], [1], [0], [1]]], (8, 1, 1)), experts=2, labels=np.arange(8) % 3, group_images=8)
    options = {"experts": 2, "top_k": 1, "capacity_factor": 1.0}
    folder = results / "_files" / "scaling-experts" / "routing"
    written(folder, frame, suite="scaling-experts", options=options, group_images=8)
    return results


def test_plot_draws_recordings_of_routing(recorded: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, data = tmp_path / "routing.png", tmp_path / "routing.csv"
    chosen = ("--cell", "bpr[experts=2]", "--layer", "1", "--images", "2")
    files = ("--out", str(out), "--data", str(data))
    assert called("plot", "routing", *chosen, *files, "--results", str(recorded)) == 0
    assert capsys.readouterr().out.split() == [str(out), str(data)]
    assert len(pd.read_csv(data)) == 2 * 4
    assert called("plot", "specialisation", "--results", str(recorded)) == 0
    stem = recorded / "_files" / "scaling-experts" / "report" / "specialisation"
    assert capsys.readouterr().out.split() == [f"{stem}.{form}" for form in ("png", "svg", "pdf")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("routing", "--layer", "9"), "layer 9 is no MoE layer; 1 are"),
        (("routing", "--cell", "soft"), "`moebench run 'soft[record_routing=256]'` records one"),
        (("routing", "--x", "params"), "the axes of the figure 'routing' are fixed"),
        (("slots",), "choose soft"),
        (("pareto", "--layer", "1"), "--cell, --layer and --images are for figures of recordings: routing, dropped"),
        (("rooting",), "did you mean 'routing'"),
    ],
)
def test_what_a_figure_of_recordings_cannot_show_is_said(
    recorded: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("plot", *arguments, "--results", str(recorded)) == 2
    assert message in capsys.readouterr().err


def test_results_without_recordings_say_how_to_make_one(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("plot", "routing", "--results", str(results)) == 2
    assert "has no recordings of routing: `moebench run 'bpr[" in capsys.readouterr().err
