"""The command `conform`, which compares a layer with the paper's layer."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from moebench.conform import Diagnosis


def conform(
    adapter: Annotated[
        str | None,
        typer.Argument(metavar="FILE.py[:NAME]", help="A file with build(weights) -> f(tokens); its code is executed."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option("--as", metavar="STRATEGY", help="Strategy that the layer implements, such as soft or bpr."),
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="torch|jax|keras", help="Print an adapter to start from.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="Write the cases, of --as or all, with outputs and gradients."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON.")] = False,
) -> None:
    """Compare a layer of any framework with the paper's.

    The layer gets the weights and tokens of a dozen cases, ties, collapse and dropped tokens among them. If its outputs
    are not the reference's, known variants and pairs of them are tried, and the one that explains it is named.
    """
    from moebench.errors import BadInput, unknown

    if template is not None:
        from moebench.conform.templates import template as text_of

        options.say(text_of(template).rstrip("\n"))
        return
    from moebench.conform import STRATEGIES, diagnose, load_adapter

    if strategy is not None and strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES, of="--as")
    if export is not None:
        from moebench.conform.vectors import export_vectors

        for path in export_vectors(export, STRATEGIES if strategy is None else [strategy]):
            options.say(path)
        return
    if adapter is None or strategy is None:
        raise BadInput("give a FILE.py and --as STRATEGY; or --template torch to begin with, or --export DIR.")
    found = diagnose(load_adapter(adapter), strategy)
    if as_json:
        options.say(json.dumps(_plain(found), indent=1))
    else:
        _print(found)
    if not found.conforms:
        raise typer.Exit(1)


def _plain(found: "Diagnosis") -> dict[str, Any]:
    return {
        "strategy": found.strategy,
        "conforms": found.conforms,
        "verdict": found.verdict,
        "explained_by": [variant.name for variant in found.explained_by],
        "cases": [vars(each) | {"error": each.error if each.finite else None} for each in found.results],
        "distances": dict(found.distances[:10]),
        "repeated": found.repeated,
        "unused_weights": list(found.unused),
        "nan_spreads_to": found.nan_spreads,
        "ties": found.ties,
        "losses": [vars(loss) for loss in found.losses],
        "gradients": dict(found.gradients),
        "failures": dict(found.failures),
    }


def _print(found: "Diagnosis") -> None:
    from rich.table import Table

    from moebench.cli import options
    from moebench.cli.narrow_tables import print_table

    options.say(found.verdict)
    for variant in found.explained_by:
        if variant.who:
            options.say(f"  {variant.name}: so in {variant.who}")
    if found.unused:
        options.say(f"  weights without effect: {', '.join(found.unused)}")
    if found.nan_spreads is not None:
        options.say(f"  NaN in one token reaches {found.nan_spreads}")
    for loss in found.losses:
        if loss.agrees:
            options.say(f"  loss '{loss.name}' agrees: {loss.given:.6g}")
        else:
            why = f"agrees if {loss.explained_by}" if loss.explained_by else "no known variant explains it"
            options.say(f"  loss '{loss.name}' is {loss.given:.6g}, not {loss.expected:.6g}: {why}")
    for weight, distance in found.gradients:
        options.say(f"  gradient by {weight} differs by {distance:.1e}")
    for name, failure in found.failures:
        options.say(f"  not compared in case '{name}': {failure}")
    if found.ties is not None:
        taken = "by neither rule" if found.ties == "neither" else f"by taking the {found.ties} one"
        options.say(f"  ties between experts are broken {taken}")
    table = Table("case", "difference", "drops that differ", "tokens", box=None, pad_edge=False)
    for each in found.results:
        drops = "" if each.dropped_differ is None else str(each.dropped_differ)
        table.add_row(each.name, f"{each.error:.1e}" if each.finite else "not finite", drops, each.says)
    print_table(options.console(), table)
