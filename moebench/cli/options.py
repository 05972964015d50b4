"""Arguments that several commands share, and the terminal they print to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of the results.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run everything again; old rows are kept.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run again what failed before.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="A file with routers of your own, which is run; repeatable."),
]
SuiteAmongResults = Annotated[
    str | None, typer.Option("--suite", metavar="NAME", help="Whose results; may be left out if there is one.")
]

_PIPE_WIDTH = 10_000


def example(arguments: str) -> str:
    """The end of a command's help: a line that is not broken, so that it can be copied."""
    return f"\b\nExample: moebench {arguments}"


def console() -> "Console":
    """The standard output: as wide as the terminal; in a pipe without an end, nor control codes."""
    from rich.console import Console

    found = Console(highlight=False)
    if found.is_terminal or "COLUMNS" in os.environ:
        return found
    return Console(highlight=False, width=_PIPE_WIDTH)


def plugin_files(plugins: list[Path] | None) -> tuple[str, ...]:
    """The plugins' paths, as they mean the same in any process.

    Raises:
        BadInput: a file that is not there.
    """
    from moebench.errors import BadInput

    for plugin in plugins or []:
        if not plugin.is_file():
            raise BadInput(f"there is no file {plugin}.", key="plugins")
    return tuple(str(plugin.absolute()) for plugin in plugins or [])


def load_plugins(plugins: list[Path] | None) -> list[str]:
    """Run the plugins in this process; the names of their routers.

    Raises:
        BadInput: a file that is not there, that raises, or that registers no router.
    """
    if not plugins:
        return []
    from moebench import routers

    return [name for file in plugin_files(plugins) for name in routers.load_plugin(Path(file))]
