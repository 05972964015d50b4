"""The command line: arguments and printing. Whatever is heavy is imported inside the command that needs it."""

import sys
from typing import Annotated

import typer

import moebench
from moebench.cli import catalogue, checking, comparing, counting, drawing, results, suite
from moebench.errors import BadInput

app = typer.Typer(
    name="moebench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: moebench suite scaling-experts",
)

app.command(epilog="Example: moebench suite scaling-experts --filter router=soft,dense --seeds 0,1")(suite.suite)
app.command(epilog="Example: moebench run 'soft[experts=16]' --model mu/2 --data digits --steps 50")(suite.run)
app.command("list", epilog="Example: moebench list routers")(catalogue.list_names)
app.command(epilog="Example: moebench show 'bpr[experts=8,top_k=2]' --model s/16")(catalogue.show)
app.command(epilog="Example: moebench check my_router.py")(checking.check)
app.command(epilog="Example: moebench plot pareto --x train_step_s --out pareto.pdf")(drawing.plot)
app.command(epilog="Example: moebench dashboard --out page.html --open")(drawing.dashboard)
app.command(epilog="Example: moebench report --out report.md")(drawing.report)
app.command(epilog="Example: moebench compare router=soft router=bpr --fail-if-slower 5%")(comparing.compare)
app.command(epilog="Example: moebench flops s/16 'soft[experts=128]'")(counting.flops)
app.command(epilog="Example: moebench env")(catalogue.env)
app.add_typer(results.app, name="results")


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"moebench {moebench.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _moebench(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Which mixture-of-experts routing strategy should a vision model use? Benchmarks with evidence."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a cell failed, 2 bad input, 130 interrupted."""
    try:
        app(arguments, prog_name="moebench")
    except BadInput as error:
        typer.echo(f"moebench: {error}", err=True)
        sys.exit(2)
    except RuntimeError as error:
        from moebench.suites.executors import ExecutorError

        if not isinstance(error, ExecutorError):
            raise
        typer.echo(f"moebench: {error}", err=True)
        sys.exit(1)
