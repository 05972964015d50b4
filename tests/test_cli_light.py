"""The command line answers at once: its help imports nothing heavy, and every command shows an example."""

import subprocess
import sys

import pytest

from moebench.cli import main

HEAVY = ("jax", "flax", "optax", "pandas", "seaborn", "matplotlib", "altair", "pyarrow", "scipy", "sklearn")
COMMANDS = ("suite", "run", "list", "show", "plot", "dashboard", "report", "env")


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
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], message: str) -> None:
    ended = fresh(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
