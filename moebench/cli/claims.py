"""The command that lists what suites claim and what results say of it: `claims`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moebench.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from moebench.claims.verdict import Verdict

_STYLES = {"shown": "green", "contradicted": "red", "undecided": ""}


def claims(results: options.Results = Path("results")) -> None:
    """List the claims of all results, paper by paper: shown, contradicted or undecided.

    Every verdict is corrected for the number of claims of its suite (Holm). An undecided claim comes with the
    difference that would have been found with 80 % power.
    """
    from moebench.claims.verdict import judge
    from moebench.cli.narrow_tables import print_table
    from moebench.results import gather
    from moebench.results.loading import chosen_stores
    from moebench.suites.suite_record import asked

    verdicts: list[Verdict] = []
    silent = []
    for store in chosen_stores(results, None):
        of_suite = asked(store.folder).claims
        if not of_suite:
            silent.append(store.suite)
            continue
        table, problems = gather(store.folder)
        for problem in problems:
            options.say(f"moebench: left out: {problem}", err=True)
        verdicts += judge(table.to_pandas(), of_suite)
    console = options.console()
    for paper, own in by_paper(verdicts).items():
        print_table(console, _table(paper, own), keys=2)
        console.print()
    if silent:
        console.print(f"No claims: {', '.join(silent)}.", markup=False, soft_wrap=not console.is_terminal)
    console.print(summary(verdicts), style="bold", markup=False, soft_wrap=not console.is_terminal)


def by_paper(verdicts: "Sequence[Verdict]") -> "Mapping[str, list[Verdict]]":
    """Return the verdicts by the paper that makes the claim: the source up to its first comma or section mark."""
    papers: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        paper = verdict.claim.source.partition(",")[0].partition("§")[0].strip()
        papers.setdefault(paper, []).append(verdict)
    return dict(sorted(papers.items()))


def summary(verdicts: "Sequence[Verdict]") -> str:
    """Return how many claims are shown, contradicted and undecided."""
    counts = {word: sum(verdict.verdict == word for verdict in verdicts) for word in _STYLES}
    claimed = "1 claim" if len(verdicts) == 1 else f"{len(verdicts)} claims"
    return f"{claimed}: " + ", ".join(f"{count} {word}" for word, count in counts.items()) + "."


def _table(paper: str, verdicts: "Sequence[Verdict]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", title=Text(paper))
    table.title_justify = "left"
    for heading in ("claim", "suite", "printed", "verdict"):
        table.add_column(heading)
    for verdict in verdicts:
        table.add_row(
            Text(verdict.claim.says),
            Text(f"{verdict.suite} ({verdict.device_kind})"),
            Text(verdict.claim.printed or "–"),
            Text(verdict.text, style=_STYLES[verdict.verdict]),
        )
    return table
