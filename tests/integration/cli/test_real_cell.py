"""The command line with the real cell program: from one command to numbers and a row."""

from pathlib import Path

import pandas as pd
import pytest

from moebench.cli import main


def test_one_real_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    cell = "soft[experts=4,total_slots=tokens,timing_budget_s=0]"
    with pytest.raises(SystemExit) as ended:
        main(["run", cell, "--model", "pico/2", "--data", "digits", "--steps", "2", "--seeds", "0,1"])
    printed = capsys.readouterr()
    assert ended.value.code == 0, printed.err
    assert "Forward FLOPs per image" in printed.out
    frame = pd.read_parquet("results/run")
    assert frame[["router", "experts", "slots_per_expert", "status"]].to_numpy().tolist() == [["soft", 4, 4, "ok"]] * 2
    assert frame["seed"].tolist() == [0, 1]
    assert frame["accuracy"].between(0, 1).all()


def test_a_cell_that_cannot_be_built_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "odd.yaml"
    suite.write_text(
        "name: odd\nquestion: Does it fit?\nprofiles: {cpu: {total_slots: tokens}}\n"
        "cells:\n  - router: soft\n    experts: 5\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["suite", str(suite)])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    # total_slots stands in the profile, so that is where the mistake is shown.
    assert f"{suite}:3: router 'soft' with 5 experts cannot have total_slots=16" in error
    assert not (tmp_path / "results").exists()
