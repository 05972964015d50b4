"""The command line: arguments and output.

Heavy modules are imported inside the command that needs them.
"""

import sys
from typing import Annotated

import typer

from moebench.cli import (
    check,
    claims,
    compare,
    conform,
    ending,
    flops,
    list_show_env,
    look,
    options,
    plan,
    plot,
    power,
    replay,
    results,
    run,
)

app = typer.Typer(
    name="moebench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # no markup: a bracket in a help text is a bracket
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=options.example("suite scaling-experts"),
)

for _name, _command, _example in (
    ("suite", run.suite, "suite scaling-experts --filter router=soft,dense --seeds 0,1"),
    ("run", run.run, "run 'soft[experts=16]' --model mu/2 --data digits --steps 50"),
    ("list", list_show_env.list_names, "list routers"),
    ("show", list_show_env.show, "show 'bpr[experts=8,top_k=2]' --model s/16"),
    ("check", check.check, "check my_router.py"),
    ("plot", plot.plot, "plot pareto --suite scaling-experts --x train_step_s --out pareto.pdf"),
    ("dashboard", plot.dashboard, "dashboard --suite scaling-experts --out page.html --open"),
    ("look", look.look, "look scaling-experts --images 12"),
    ("report", plot.report, "report --suite scaling-experts --out report.md"),
    ("claims", claims.claims, "claims --results results"),
    ("power", power.power, "power scaling-experts --difference 1"),
    ("compare", compare.compare, "compare router=soft router=bpr --fail-if-slower 5%"),
    ("flops", flops.flops, "flops s/16 'soft[experts=128]'"),
    ("plan", plan.plan, "plan s/16 dense 'soft[experts=128]' --on h200"),
    ("replay", replay.replay, "replay logits.npz --router 'bpr[top_k=2,capacity_factor=[0.5,1,1.25]]' --group 1568"),
    ("conform", conform.conform, "conform my_layer.py --as soft"),
    ("env", list_show_env.env, "env"),
):
    app.command(_name, epilog=options.example(_example))(_command)
app.add_typer(results.app, name="results")


def _version(requested: bool) -> bool:
    if requested:
        from moebench.version import __version__  # reads the metadata of the installed package

        options.say(f"moebench {__version__}")
        raise typer.Exit
    return requested


@app.callback()
def _moebench(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Which mixture-of-experts routing strategy should a vision model use? Benchmarks with evidence."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its exit code.

    The code is 0 if all is done, 1 if a cell failed, 2 for bad input, 130 if interrupted.
    """
    sys.exit(ending.run(app, arguments))
