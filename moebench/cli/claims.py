"""The command `claims`, which lists the claims of suites and their verdicts from the results."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from moebench.claims.verdict import Verdict


def claims(
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the claims as Markdown.")] = False,
    results: options.Results = Path("results"),
) -> None:
    """List each paper's claims: shown, contradicted or undecided.

    Every verdict is corrected for the number of claims of its suite (Holm). An undecided claim comes with the
    difference that would have been found with 80 % power.
    """
    from moebench.claims.verdict import judge
    from moebench.claims.written import by_paper, markdown, summary
    from moebench.cli.narrow_tables import print_table
    from moebench.results import gather
    from moebench.results.loading import chosen_stores
    from moebench.suites.suite_record import question_and_claims

    verdicts: list[Verdict] = []
    silent = []
    for store in chosen_stores(results, None):
        of_suite = question_and_claims(store).claims
        if not of_suite:
            silent.append(store.suite)
            continue
        table, problems = gather(store.root, store.suite)
        for problem in problems:
            options.say(f"moebench: left out: {problem}", err=True)
        verdicts += judge(table.to_pandas(), of_suite)
    if as_markdown:
        options.say(markdown(verdicts).rstrip("\n"))
        return
    console = options.console()
    for paper, own in by_paper(verdicts).items():
        print_table(console, _table(paper, own), keys=2)
        console.print()
    if silent:
        console.print(f"No claims: {', '.join(silent)}.", markup=False, soft_wrap=not console.is_terminal)
    console.print(f"{summary(verdicts)}.", style="bold", markup=False, soft_wrap=not console.is_terminal)


def _table(paper: str, verdicts: "Sequence[Verdict]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from moebench.claims.written import STYLES

    table = Table(box=None, pad_edge=False, header_style="bold", title=Text(paper))
    table.title_justify = "left"
    for heading in ("claim", "suite", "printed", "verdict"):
        table.add_column(heading)
    for verdict in verdicts:
        table.add_row(
            Text(verdict.claim.says),
            Text(f"{verdict.suite} ({verdict.device_kind})"),
            Text(verdict.claim.printed or "–"),
            Text(verdict.text, style=STYLES[verdict.verdict]),
        )
    return table
