"""Arguments that several commands share, and the terminal that commands print to."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.errors import BadInput, printable, shortened

if TYPE_CHECKING:
    from rich.console import Console

Results = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder of the results, or of one suite among them.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run everything again; old rows are kept.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE.py", help="A file with routers of your own, whose code is executed; repeatable."
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="DIR",
        help="Write a profile of ten training steps of each cell that runs, for Perfetto and XProf.",
    ),
]
SuiteAmongResults = Annotated[
    str | None, typer.Option("--suite", metavar="NAME", help="Suite with results; may be left out if there is one.")
]

PageOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.html", help="File to write; by default beside the results."),
]
Show = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]

_PIPE_WIDTH = 10_000


def trace_folder(folder: Path | None) -> Path | None:
    """Return the folder of `--trace`, which is made if it is missing.

    Raises:
        BadInput: the folder cannot be made, or is a file.
    """
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--trace {folder} is no folder that can be written: {error.strerror}.") from error
    return folder


def whole_number(text: object) -> int:
    """Return a whole number of at least 1 from the command line.

    The number may be written 1e3.
    """
    value = _scalar(text)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise typer.BadParameter(f"'{shortened(str(text))}' is no whole number of at least 1.")
    return value


def number(text: object) -> float:
    """Return a number of the command line."""
    value = _scalar(text)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise typer.BadParameter(f"'{shortened(str(text))}' is no number.")
    return float(value)


def _scalar(text: object) -> object:
    from moebench.spec.plain_values import plain_value, whole

    try:
        return whole(plain_value(str(text)))
    except BadInput as error:
        raise typer.BadParameter(str(error)) from error


def example(arguments: str) -> str:
    """Return the example at the end of a command's help.

    The example is one unbroken line so that it can be copied.
    """
    return f"\b\nExample: moebench {arguments}"


def say(text: object = "", err: bool = False) -> None:
    """Print a line with its control characters escaped.

    The name of a user's file may have control characters.

    Args:
        text: the line, or an object that prints as one.
        err: whether the line goes to the error output.
    """
    typer.echo(printable(str(text)), err=err)


def say_page(page: Path, show: bool) -> None:
    """Print the path of a written page; open the page in the browser if `show`."""
    say(page)
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def console() -> "Console":
    """Return the standard output, as wide as the terminal.

    In a pipe the output has no limit of width and no colours. Control characters in the output are escaped.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Printable(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    found = Printable(highlight=False)
    if found.is_terminal or "COLUMNS" in os.environ:
        return found
    return Printable(highlight=False, width=_PIPE_WIDTH)


def plugin_files(plugins: list[Path] | None) -> tuple[str, ...]:
    """Return the absolute paths of plugins.

    Raises:
        BadInput: a file does not exist.
    """
    for plugin in plugins or []:
        if not plugin.is_file():
            raise BadInput(f"there is no file {plugin}.", key="plugins")
    return tuple(str(plugin.absolute()) for plugin in plugins or [])


def start_jax() -> None:
    """Start JAX in this process, for commands that compute in their own process.

    Raises:
        BadInput: the environment names a device or a flag that does not exist.
    """
    from moebench.spec.jax_trouble import try_compiler_flags

    try_compiler_flags()
    from moebench.measuring.environment import start_jax as start

    start()


def load_plugins(plugins: list[Path] | None) -> list[str]:
    """Run the plugins and return the names of their routers.

    A trial in another process comes first.

    Raises:
        BadInput: a file does not exist, raises an error, ends the process, or registers no router.
    """
    if not plugins:
        return []
    from moebench.executors.plugin_trial import try_plugins

    files = plugin_files(plugins)
    try_plugins(files)
    from moebench import routers

    return [name for file in files for name in routers.load_plugin(Path(file))]
