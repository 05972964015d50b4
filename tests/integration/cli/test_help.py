"""What the command line shows as an example can be typed: in every command's help, and in the README."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from paths import DOCUMENTATION, REPOSITORY

from moebench.cli import app, main
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import parse_cell

GROUP = typer.main.get_command(app)


def commands(group: object = GROUP, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command and group, with the names that lead to it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands())


def parsed(line: str) -> dict[str, Any]:
    """The values that a command finds in a line as it is typed in a shell; nothing is run."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "moebench"
    path = next(tuple(arguments[:n]) for n in (2, 1) if tuple(arguments[:n]) in COMMANDS)
    values: dict[str, Any] = COMMANDS[path].make_context(path[-1], arguments[len(path) :]).params
    return values


@pytest.mark.parametrize("path", list(COMMANDS), ids=" ".join)
def test_the_example_in_a_help_can_be_typed(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*path, "--help"])
    shown = capsys.readouterr().out
    examples = re.findall(r"^ *Example: (moebench .*)$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        assert example.split()[1 : 1 + len(path)] == list(path)
        parsed(example)


def test_brackets_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    for command, written in (("show", "router[key=value,…]"), ("run", "moebench run 'soft[experts=16]' --model")):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert written in capsys.readouterr().out
    assert parse_cell(str(parsed("moebench run 'soft[experts=16]'")["cell"])) == {"router": "soft", "experts": 16}


@pytest.mark.parametrize("page", DOCUMENTATION, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_in_the_documentation_can_be_typed(page: Path) -> None:
    for line in re.findall(r"^    (?:pip .* && )?(moebench .*?)(?: {2,}.*)?$", page.read_text("utf-8"), re.MULTILINE):
        parsed(line)


def test_the_defaults_that_run_tells_are_those_of_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option in ("model", "data", "steps", "batch"):
        default = CellSpec.model_fields[option].default
        assert re.search(rf"--{option} [^-]*by default {default}\.", shown), option
    assert CellSpec.model_fields["seeds"].default == (0,)


def test_no_sentence_is_cut_in_a_list_of_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path, command in COMMANDS.items():
        if hasattr(command, "commands"):
            with pytest.raises(SystemExit):
                main([*path, "--help"])
            assert "..." not in capsys.readouterr().out.partition("\nCommands:\n")[2]
