"""The command `compare`, which compares results with results."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from moebench.compare.compare import Report
    from moebench.compare.gates import Outcome

_SELECTION = "results folder, run, commit, or keys such as router=soft,experts=8"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=f"Results to judge: a {_SELECTION}.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Results to compare A with, named like A.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="Column to compare, repeatable; by default accuracy and times beside dense."
        ),
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help="Only this suite's results.")] = None,
    results: options.Results = Path("results"),
    across_environments: Annotated[
        bool, typer.Option("--across-environments", help="Compare times of different devices or versions, too.")
    ] = False,
    fail_if_slower: Annotated[
        str | None,
        typer.Option(
            metavar="5%",
            help="Exit with 1 if A is shown to be slower, by an estimate of at least this much, over all cells or in "
            "any one; with 2 if A lacks a time that B has. A difference that is not significant passes.",
        ),
    ] = None,
    fail_if_worse: Annotated[
        str | None, typer.Option(metavar="1%", help="As --fail-if-slower, for a lower accuracy, in points.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown.")] = False,
) -> None:
    """Set results against results, with a verdict on each metric.

    Cells are matched one by one; cells without a counterpart are listed.
    """
    from moebench.compare import compare as comparison
    from moebench.compare import gates
    from moebench.compare.claims import judge_both
    from moebench.errors import BadInput
    from moebench.results.selection import History
    from moebench.results.suite_folder import SuiteFolder
    from moebench.suites import suite_record

    if as_json and as_markdown:
        raise BadInput("--json and --markdown are two formats of one output; give one of them.")
    required = {
        f"{name} {text}": (judge, gates.parse_share(text, name))
        for name, text, judge in (
            ("--fail-if-slower", fail_if_slower, gates.slower),
            ("--fail-if-worse", fail_if_worse, gates.worse),
        )
        if text is not None
    }
    history = History(results, suite)
    ours, theirs = history.select(a), history.select(b)
    for problem in dict.fromkeys(map(str, history.problems)):
        options.say(f"moebench: left out: {problem}", err=True)
    whole = not ours.keys and not theirs.keys  # a claim is about cells of a whole suite
    claims = {
        name: suite_record.question_and_claims(SuiteFolder(history.root, name)).claims
        for name in ours.rows["suite"].unique()
        if whole
    }
    report = comparison.compare(
        ours.rows,
        theirs.rows,
        named=ours.keys & theirs.keys,
        metrics=metric or (),
        across_environments=across_environments,
        pool=history.others({*ours.rows["suite"], *theirs.rows["suite"]}),
        claims=judge_both(claims, ours.rows, theirs.rows),
    )
    outcomes = [judge(report, share, gate) for gate, (judge, share) in required.items()]
    _print(report, a, b, outcomes, as_json, as_markdown)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)
    for outcome in outcomes:
        if outcome.state == "undecided":
            raise BadInput(str(outcome))


def _print(report: "Report", a: str, b: str, outcomes: "list[Outcome]", as_json: bool, as_markdown: bool) -> None:
    from moebench.compare import render

    if as_json:
        gates = [{"gate": outcome.gate, "state": outcome.state, "why": outcome.why} for outcome in outcomes]
        options.say(json.dumps({**render.record(report, a, b), "gates": gates}, indent=1))
        return
    if as_markdown:
        options.say(render.markdown(report, a, b, [str(outcome) for outcome in outcomes]).rstrip("\n"))
        return
    from moebench.cli.narrow_tables import print_table

    console = options.console()
    for table in render.render_tables(report):
        print_table(console, table)
        console.print()
    for note in [*render.legend(report), *render.unmatched(report), *report.notes]:
        console.print(note, markup=False, soft_wrap=not console.is_terminal)
    console.print()
    console.print(render.sentence(report, a, b), markup=False, style="bold", soft_wrap=not console.is_terminal)
    for outcome in outcomes:
        console.print(str(outcome), markup=False, soft_wrap=not console.is_terminal)
