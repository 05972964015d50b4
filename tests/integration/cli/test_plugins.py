"""`--plugin FILE.py`: a router of the user's own, from the command line to its row, and what a broken one says."""

from pathlib import Path

import pandas as pd
import pytest
from paths import EXAMPLE
from registered_routers import undone

from moebench.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_a_cell_of_a_plugin_runs_in_a_worker(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_bytes(EXAMPLE.read_bytes())
    cell = "tempered-choice[experts=2,temperature=0.5,timing_budget_s=0]"
    small = ("--model", "pico/4", "--steps", "2")
    code, _, err = call(capsys, "run", cell, *small, "--plugin", "mine.py")
    assert code == 0, err
    frame = pd.read_parquet("results/run")
    assert frame[["router", "experts", "status"]].to_numpy().tolist() == [["tempered-choice", 2, "ok"]]
    # The same file elsewhere is the same code; an edited one is not.
    (here / "elsewhere").mkdir()
    moved = (here / "mine.py").rename(here / "elsewhere" / "mine.py")
    code, out, err = call(capsys, "run", cell, *small, "--plugin", str(moved))
    assert code == 0, err
    assert "1 done before, 0 to run" in out
    suite = here / "own.yaml"
    suite.write_text(
        "name: run-alike\nquestion: Does it change?\nprofiles: {cpu: {steps: 2, timing_budget_s: 0}}\n"
        "cells: [{router: tempered-choice, experts: 2}]\n"
    )
    code, out, err = call(capsys, "suite", "own.yaml", "--dry-run", "--plugin", str(moved))
    assert code == 0, err
    assert "would run  tempered-choice[experts=2]  new" in out
    code, _, err = call(capsys, "suite", "own.yaml", "--dry-run")
    assert code == 2
    assert "own.yaml:4: unknown router 'tempered-choice': " in err


def test_a_broken_plugin_is_one_sentence_without_the_suite_s_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "broken.py").write_text("import nothing_like_this\n")
    code, _, err = call(capsys, "suite", "scaling-experts", "--dry-run", "--plugin", "broken.py")
    assert code == 2
    raised = "raises ModuleNotFoundError: No module named 'nothing_like_this'."
    assert err == f"moebench: plugin {here / 'broken.py'}, line 1, {raised}\n"
    for command in (["suite", "scaling-experts"], ["run", "dense"], ["list", "routers"]):
        code, _, err = call(capsys, *command, "--plugin", "gone.py")
        assert (code, err) == (2, "moebench: there is no file gone.py.\n")


def test_list_names_the_plugin_s_routers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with undone():
        code, out, err = call(capsys, "list", "routers", "--plugin", str(EXAMPLE))
    assert code == 0, err
    (line,) = (line for line in out.splitlines() if line.startswith("tempered-choice "))
    assert "the surest tokens take slots first" in line


UNTAMED = {
    "leaves": ("import os\nos._exit(0)\n", "ends the process that imports it, with exit code 0."),
    "crashes": ("import ctypes\nctypes.string_at(0)\n", "ends the process that imports it, by SIGSEGV."),
    "interrupts": ("raise KeyboardInterrupt\n", "raises KeyboardInterrupt."),
    "stops": ("import sys\nsys.exit('bye')\n", ", line 2, raises SystemExit: bye."),
    "mute": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute\n",
        ", line 4, raises Mute.",
    ),
}


@pytest.mark.parametrize("name", UNTAMED)
def test_a_plugin_that_ends_its_process_is_named(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, words = UNTAMED[name]
    (here / f"{name}.py").write_text(text)
    command = ["run", "soft[experts=2]"] if name in ("leaves", "crashes") else ["list", "routers"]
    code, out, err = call(capsys, *command, "--plugin", f"{name}.py")
    message = f"moebench: plugin {here / name}.py{'' if words.startswith(',') else ' '}{words}\n"
    assert (code, out, err) == (2, "", message)
