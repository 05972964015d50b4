"""The commands that look after results: `results ls|verify|seal|merge|export`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from moebench.cli import options

app = typer.Typer(
    no_args_is_help=True,
    help="Look after a results folder: what is in it, whether it is sound, other forms of it.",
    epilog="Example: moebench results ls",
)

OneSuite = Annotated[str | None, typer.Option("--suite", metavar="NAME", help="Only this suite's results.")]


@app.command(epilog="Example: moebench results ls --results results")
def ls(suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """List the runs, with their rows by status; replaced rows are not counted."""
    from rich.table import Table

    from moebench.results import runs

    table = Table("suite", "run", "began (UTC)", "rows", "unsealed cells", box=None, pad_edge=False)
    for run in runs(results, suite):
        began = f"{run.began:%Y-%m-%d %H:%M:%S}" if run.began else "–"
        rows = ", ".join(f"{count} {status}" for status, count in run.statuses.items())
        table.add_row(run.suite, run.run_id, began, rows, str(run.unsealed))
    options.console().print(table)


@app.command(epilog="Example: moebench results verify")
def verify(suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """Read every file to its last byte and name what is wrong; exit code 1 if anything is."""
    from moebench.results import verify as find_problems

    problems = find_problems(results, suite)
    _name(problems)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{results} is sound")


@app.command(epilog="Example: moebench results seal")
def seal(suite: OneSuite = None, results: options.Results = Path("results")) -> None:
    """Put the finished cells of killed runs into one file; not while a run is going on."""
    from moebench.results import Store
    from moebench.results.loading import chosen_suites

    for name in chosen_suites(results, suite):
        sealed = Store(results, name).seal_leftovers()
        typer.echo(sealed or f"nothing to seal in {results / name}")


@app.command(epilog="Example: moebench results merge from-laptop from-cluster --into results")
def merge(
    sources: Annotated[list[Path], typer.Argument(metavar="DIR…", help="The results folders to take from.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder to merge into.")] = Path("results"),
) -> None:
    """Take the results of other folders into one; the newest attempt at a cell and seed counts."""
    from moebench.results import merge as take_in

    written, problems = take_in(sources, into)
    for path in written:
        typer.echo(path)
    if not written:
        typer.echo(f"nothing new for {into}")
    _name(problems)


@app.command(epilog="Example: moebench results export scaling.csv --suite scaling-experts")
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .parquet or .md file.")],
    suite: OneSuite = None,
    results: options.Results = Path("results"),
) -> None:
    """Write the results as CSV, as one Parquet file, or as a markdown table."""
    from moebench.results import export as write

    path, problems = write(out, results, suite)
    typer.echo(path)
    _name(problems)


def _name(problems: Iterable[object]) -> None:
    for problem in problems:
        typer.echo(f"moebench: {problem}", err=True)
