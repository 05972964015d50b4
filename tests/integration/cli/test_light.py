"""The command line answers at once: its help imports nothing heavy, and every command shows an example."""

import subprocess
import sys
from pathlib import Path

import pytest

from moebench.cli import main
from moebench.executors.exit_reason import last_line

HEAVY = ("jax", "flax", "optax", "pandas", "seaborn", "matplotlib", "altair", "pyarrow", "scipy", "sklearn")
COMMANDS = ("suite", "run", "list", "show", "check", "plot", "dashboard", "report", "claims", "power", "compare", "env")


def fresh(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a fresh interpreter; the last line it prints names what was imported."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(' '.join(sys.modules)))\n"
        "from moebench.cli import main\n"
        "main(sys.argv[1:])"
    )
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["suite", "--help"], ["results", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    ended = fresh(*arguments)
    assert ended.returncode == 0, ended.stderr
    imported = set(ended.stdout.splitlines()[-1].split())
    assert "moebench.cli" in imported
    assert not imported & set(HEAVY)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert f"Example: moebench {command}" in " ".join(capsys.readouterr().out.split())


def test_version() -> None:
    assert fresh("--version").stdout.splitlines()[0].startswith("moebench 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sute"], "No such command 'sute'. Did you mean 'suite'?"),
        (["suite", "x", "--jbos", "2"], "--jobs"),
        (["suite"], "NAME|FILE"),
        (["run", "soft", "--steps", "many"], "--steps"),
        (["run", "soft", "--steps", "0"], "Invalid value for '--steps': '0' is no whole number of at least 1."),
        (["suite", "x", "--jobs", "0"], "Invalid value for '--jobs': '0' is no whole number of at least 1."),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], message: str) -> None:
    ended = fresh(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_a_cell_does_is_the_last_line_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("x" * 5000 + "\nseed 0: training 250 steps\n\n")
    assert last_line(log) == "seed 0: training 250 steps"


def test_data_sets_of_any_number_of_classes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["show", "fractals-2000"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "data set fractals-2k" in shown
    assert "2,000 classes, 400,000 images for training and 40,000 for testing" in shown
