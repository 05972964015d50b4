"""The command `check`, which tries routers and suites at toy size."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from moebench.checking import Failure

    Checked = tuple[str, str, list[Failure]]
    """Whether a router or a suite was tried, its name, and the failures."""


def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A .py file with routers, or a .yaml file with a suite; by default all."),
    ] = None,
    plugins: options.Plugins = None,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing",
            help="Test the stopwatch instead: time a program against itself, unchanged and slowed down by 2, 5 and "
            "10 %. Takes minutes.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --timing: print every timing as JSON.")] = False,
) -> None:
    """Try every router and suite, or those of a file, at toy size.

    Failures are explained in sentences.

    A router goes through shapes, compilation, determinism, empty slots, groups, order of the tokens, bfloat16,
    gradients and ten training steps. Of a suite every cell is resolved, and one cell of each router is run.
    """
    if timing or as_json:
        _check_timing(file, plugins, timing, as_json)
        return
    failed, count = [], 0
    for kind, name, failures in _checked(file, plugins):
        count += 1
        options.say(f"{kind:<7} {name:<20} {'failed' if failures else 'ok'}")
        for failure in failures:
            options.say(f"  {failure.check}: {failure.what}")
        if failures:
            failed.append(f"{kind} {name}")
    if failed:
        options.say(f"moebench: {len(failed)} of {count} failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _check_timing(file: Path | None, plugins: list[Path] | None, timing: bool, as_json: bool) -> None:
    from moebench.cli import check_timing as command
    from moebench.errors import BadInput

    if not timing:
        raise BadInput("--json is for --timing.")
    if file or plugins:
        raise BadInput("--timing tests the stopwatch; it takes no file and no plugin.")
    command.run(as_json)


def _checked(file: Path | None, plugins: list[Path] | None) -> "Iterator[Checked]":
    """Yield each router or suite as it has been tried.

    Raises:
        BadInput: the file is neither a router file nor a suite, cannot be read, or contains nothing to try.
    """
    from moebench.errors import BadInput

    suffix = None if file is None else file.suffix
    if suffix not in (None, ".py", ".yaml", ".yml"):
        raise BadInput(f"'{file}' is neither a .py file with routers nor a .yaml file with a suite.")
    options.load_plugins(plugins)
    options.start_jax()
    if file is None:
        yield from _packages()
    if file is None or suffix == ".py":
        yield from _routers(file)
    if suffix != ".py":
        yield from _suites(file, plugins)


def _packages() -> "Iterator[Checked]":
    from moebench import routers
    from moebench.checking import Failure

    if broken := routers.broken_packages():
        yield "package", "entry points", [Failure("import", package) for package in broken]


def _routers(file: Path | None) -> "Iterator[Checked]":
    from moebench import routers
    from moebench.checking import check_routers

    names = routers.names() if file is None else options.load_plugins([file])
    for name, failures in check_routers(names):
        yield "router", name, failures


def _suites(file: Path | None, plugins: list[Path] | None) -> "Iterator[Checked]":
    from moebench.checking import SuiteChecks
    from moebench.suites import find

    checks = SuiteChecks(options.plugin_files(plugins))
    for name in find.shipped() if file is None else [str(file)]:
        suite = find.find(name)
        yield "suite", suite.name, checks.check(suite)
