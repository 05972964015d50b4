"""How commands end: outputs that are closed, full or cannot show a character, and words nobody knows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from moebench.cli import app, main

MOEBENCH = f"'{sys.executable}' -c 'from moebench.cli import main; main()'"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which moebench is the command line."""
    script = f'set -o pipefail; moebench() {{ {MOEBENCH} "$@"; }}; {line}'
    given = {**os.environ, **environment}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=given, capture_output=True, text=True, check=False, errors="replace"
    )


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("moebench list columns | true", 141, ""),  # true has ended before the first line is written
        ("moebench list columns >/dev/full", 1, "moebench: cannot write the output: No space left on device.\n"),
        ("moebench list columns >&-", 0, ""),
        ("moebench list columns >&- 2>&-", 0, ""),
        ("moebench list columns <&-", 0, ""),
        ("moebench list nonsense 2>/dev/full", 2, ""),
        ("moebench list nonsense 2>&-", 2, ""),
        ("moebench results ls >/dev/full", 2, "moebench: no results in results: there is no such folder\n"),
    ],
)
def test_an_output_that_nobody_takes(line: str, code: int, err: str, tmp_path: Path) -> None:
    ended = shell(line, tmp_path)
    assert (ended.returncode, ended.stderr) == (code, err)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": "C", "COLUMNS": "0"},
        {"LANG": "xx_YY.UTF-8", "COLUMNS": "1"},
        {"PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "abc"},
        {"PYTHONIOENCODING": "latin-1", "HOME": "/nowhere", "TMPDIR": "/nowhere"},
        {"PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda environment: ",".join(f"{key}={value}" for key, value in environment.items()),
)
def test_any_locale_and_terminal_will_do(environment: dict[str, str], tmp_path: Path) -> None:
    ended = shell(
        "moebench list columns && moebench show timing_flags && moebench suite --help", tmp_path, **environment
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    ended = shell("cd gone && rmdir ../gone && moebench suite ./x.yaml", tmp_path)
    assert ended.returncode in (1, 2)
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("moebench: ")


def words(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out + printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "\x1b]0;title\x07"],
        ["\x1b[31msuite"],
        ["suite", "--\x1b[31m"],
        ["suite", "\x1b[2J.yaml"],
        ["run", "soft[\x1b[31m=1]"],
        ["run", "soft", "--steps", "\x1b[31m"],
        ["results", "ls", "--results", "\x1b[31m"],
        ["show", "\x9b31m\u202e"],
    ],
)
def test_control_characters_never_reach_the_terminal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = words(arguments, capsys)
    assert code == 2
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(printed)
    assert "\\x1b" in printed or "\\x9b" in printed


def test_names_of_any_length_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["list", "x" * 10_000], ["run", "x" * 10_000], ["suite", "x" * 10_000], ["x" * 10_000]):
        code, printed = words(arguments, capsys)
        assert code == 2
        assert len(printed) < 1_000


NUMBERS = ("N", "S", "GIB", "PIXELS", "POINTS", "RATE")


def parameters(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command with one of its options that take a number."""
    command = typer.main.get_command(app) if command is None else command
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, (*path, name))
    for parameter in command.params if path else ():
        if parameter.metavar in NUMBERS:
            yield path, parameter


@pytest.mark.parametrize(
    ("path", "option"), list(parameters()), ids=lambda each: getattr(each, "name", None) or " ".join(each)
)
def test_a_value_of_the_wrong_type_is_said_in_our_words(
    path: tuple[str, ...],
    option: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = words([*path, option.opts[0], "many"], capsys)
    assert code == 2
    assert " is no " in printed
    assert "Input should" not in printed


@pytest.mark.parametrize(
    ("name", "value"),
    [("JAX_PLATFORMS", "gpuu"), ("JAX_ENABLE_X64", "maybe"), ("XLA_FLAGS", "--xla_no_such_flag")],
)
def test_an_environment_that_jax_cannot_start_in(name: str, value: str, tmp_path: Path) -> None:
    ended = shell("moebench env", tmp_path, **{name: value})
    assert ended.returncode == 2
    assert "jaxlib_version" in ended.stdout  # what can be known is printed
    assert [name, value] in [line.split() for line in ended.stdout.splitlines()]
    assert ended.stderr.startswith(f"moebench: JAX cannot start with {name}={value} in the environment: ")
    assert ended.stderr.count("\n") == 1


def test_a_run_in_such_an_environment_is_one_sentence(tmp_path: Path) -> None:
    ended = shell("moebench run soft", tmp_path, JAX_ENABLE_X64="maybe")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("moebench: JAX cannot start with JAX_ENABLE_X64=maybe in the environment: ")
    assert ended.stderr.count("\n") == 1


def test_env_prints_the_versions_and_the_device(tmp_path: Path) -> None:
    ended = shell("moebench env", tmp_path, JAX_PLATFORMS="cpu")
    shown = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert (ended.returncode, shown["platform"], shown["JAX_PLATFORMS"]) == (0, "cpu", "cpu")
    assert shown["python_version"].count(".") == 2
