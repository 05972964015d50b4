"""Images are made before any cell runs, once for all cells, and what is wrong with them ends the command with 2."""

from pathlib import Path

import pandas as pd
import pytest

from moebench.cli import main

SUITE = """\
name: small
question: Whose images are they?
figures: []
profiles:
  cpu:
    image_size: 32
    data: ./PHOTOS
cells:
  - {router: [dense, soft], steps: [1, 2]}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("moebench.executors.local.CELL_PROGRAM", "fake_cell")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_images_are_made_once_before_the_cells(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "small.yaml").write_text(SUITE.replace("PHOTOS", "photos"))
    assert called("suite", "small.yaml") == 0
    printed = capsys.readouterr()
    assert printed.err == f"moebench: {here}/photos: 3 files are left out.\n"
    lines = printed.out.splitlines()
    assert lines.count("decoding photos to 32 pixels") == 1
    assert lines.index("decoding photos to 32 pixels") < next(n for n, line in enumerate(lines) if "[1/4]" in line)
    # The path was relative to the folder of the command; a cell may run elsewhere.
    assert set(pd.read_parquet("results/small")["data"]) == {str(here / "photos")}


def test_broken_images_end_a_suite_before_it_begins(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "small.yaml").write_text(SUITE.replace("PHOTOS", "torn"))
    assert called("suite", "small.yaml") == 2
    assert f"small.yaml:7: {here}/torn/1.png is broken." in capsys.readouterr().err
    assert not list((here / "results").rglob("*.parquet"))


def test_broken_images_end_a_single_cell_likewise(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("run", "dense", "--data", "./torn", "--image-size", "8") == 2
    assert capsys.readouterr().err == f"moebench: {here}/torn/1.png is broken.\n"
