"""The commands `results ls|verify|compact|merge|export`, which maintain results."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from moebench.results import RunStatus

app = typer.Typer(
    no_args_is_help=True,
    help="Maintain a results folder.",
    epilog=options.example("results ls"),
)

OneSuite = Annotated[str | None, typer.Option("--suite", metavar="NAME", help="Only this suite's results.")]
Folder = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="Results folder, or the folder of one suite in it.")
]


@app.command(epilog=options.example("results ls results"))
def ls(folder: Folder = None, suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """List the runs, running ones first.

    Rows that a later run replaced are not counted. Unsealed cells have files of their own, as the cells of a killed run
    do: `moebench results compact` puts them into one file. All commands read both kinds.
    """
    from rich.table import Table

    from moebench.cli.narrow_tables import print_table
    from moebench.results import Store, located, runs, statuses
    from moebench.results.run_status import damaged_statuses

    results, suite = located(folder or results, suite)
    console, published = options.console(), list(statuses(results, suite))
    _name(damaged_statuses(results, suite))
    for status in published:
        console.print(_now(status, results), markup=False, soft_wrap=True)
    if published:
        console.print()
        if not any(
            store.cell_files() or store.sealed_files() for store in (Store(results, one.suite) for one in published)
        ):
            return  # no cell has ended, so there is nothing to list
    table = Table("suite", "run", "began (UTC)", "rows", "unsealed cells", box=None, pad_edge=False)
    for run in runs(results, suite):
        began = f"{run.began:%Y-%m-%d %H:%M:%S}" if run.began else "–"
        rows = ", ".join(f"{count} {status}" for status, count in run.statuses.items())
        table.add_row(run.suite, run.run_id, began, rows, str(run.unsealed))
    print_table(console, table, keys=2)


def _now(status: "RunStatus", results: Path) -> str:
    """Return a line on the present state of a run.

    If the driver is dead, the line states this.
    """
    from moebench.cli.progress import duration, time_left

    ended = ", ".join(f"{count} {name}" for name, count in status.ended.items())
    line = f"{status.suite} {status.run_id}: {sum(status.ended.values())} of {status.total} cells ended"
    line += f" ({ended})" if ended else ""
    if not status.is_alive(results):
        return f"{line}; its driver is dead, the same command goes on"
    now = time.time()
    running = ", ".join(f"{label} for {duration(max(0.0, now - began))}" for label, began in status.running.items())
    left = None if status.seconds_left is None else max(0.0, status.seconds_left - (now - status.written))
    return f"{line}; running {running or 'none'}; {time_left(left)}; process {status.pid} on {status.host}"


@app.command(epilog=options.example("results verify"))
def verify(folder: Folder = None, suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """Read every file to its last byte and list the faults.

    Exit code 1 if there is any fault.
    """
    from moebench.results import verify as find_problems

    results = folder or results
    problems = find_problems(results, suite)
    _name(problems)
    if problems:
        raise typer.Exit(1)
    options.say(f"{results} is sound")


@app.command(epilog=options.example("results compact"))
def compact(folder: Folder = None, suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """Put cells of killed runs into one file; update old files.

    Files of earlier versions get today's columns. Do not use this command during a run.
    """
    from moebench.results import chosen_stores

    for store in chosen_stores(folder or results, suite):
        options.say(store.seal_leftovers() or f"nothing to seal in {store.folder}")
        for path in store.renew():
            options.say(f"{path} has today's columns")


@app.command(epilog=options.example("results merge from-laptop from-cluster --into results"))
def merge(
    sources: Annotated[list[Path], typer.Argument(metavar="DIR…", help="The results folders to read.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder to merge into.")] = Path("results"),
) -> None:
    """Copy the results of other folders into one.

    The newest attempt at a cell and seed counts.
    """
    from moebench.results import merge as take_in

    written, problems = take_in(sources, into)
    for path in written:
        options.say(path)
    if not written:
        options.say(f"nothing new for {into}")
    _name(problems)


@app.command(epilog=options.example("results export scaling.csv --suite scaling-experts"))
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .parquet or .md file.")],
    folder: Folder = None,
    suite: OneSuite = None,
    results: options.Results = Path("results"),
) -> None:
    """Write the results as CSV, Parquet, or a Markdown table."""
    from moebench.results import export as write

    path, problems = write(out, folder or results, suite)
    options.say(path)
    _name(problems)


def _name(problems: Iterable[object]) -> None:
    for problem in problems:
        options.say(f"moebench: {problem}", err=True)
