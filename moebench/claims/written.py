"""Write verdicts on claims in the words that terminal, page, Markdown and comparison share."""

from collections.abc import Mapping, Sequence
from typing import get_args

from moebench.claims.verdict import Verdict, Word
from moebench.results.markdown_table import markdown_table

HEADINGS = ("claim", "source", "printed", "verdict")
_OF_SUITES = ("suite", *HEADINGS)
STYLES = {"shown": "green", "contradicted": "red", "undecided": ""}
"""Colours of verdicts on a terminal."""


def lines(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str, str]]:
    """Return for each verdict the texts under `HEADINGS`.

    If there are several devices, each claim names its device.
    """
    several = len({verdict.device_kind for verdict in verdicts}) > 1
    return [
        (
            verdict.claim.says + (f" ({verdict.device_kind})" if several else ""),
            verdict.claim.source,
            verdict.claim.printed or "–",
            verdict.text,
        )
        for verdict in verdicts
    ]


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return the numbers of claims that are shown, contradicted and undecided, without a full stop."""
    counts = {word: sum(verdict.verdict == word for verdict in verdicts) for word in get_args(Word)}
    claims = "1 claim" if len(verdicts) == 1 else f"{len(verdicts)} claims"
    return f"{claims}: " + ", ".join(f"{count} {word}" for word, count in counts.items())


def by_paper(verdicts: Sequence[Verdict]) -> Mapping[str, list[Verdict]]:
    """Return the verdicts by the papers of their claims.

    The paper is the source up to its first comma or section mark.
    """
    papers: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        paper = verdict.claim.source.partition(",")[0].partition("§")[0].strip()
        papers.setdefault(paper, []).append(verdict)
    return dict(sorted(papers.items()))


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts of several suites as Markdown.

    The text has the number of verdicts, the decided claims and the undecided claims.
    """
    parts = [f"Of {summary(verdicts)}."]
    for decided in (True, False):
        kept = [verdict for verdict in verdicts if (verdict.verdict != "undecided") == decided]
        if kept:
            parts.append(markdown_table([heading.capitalize() for heading in _OF_SUITES], rows(kept), [False] * 5))
    return "\n\n".join(parts) + "\n"


def rows(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str, str, str]]:
    """Return for each verdict the suite and the texts under `HEADINGS`.

    If there are several devices, each suite names its device.
    """
    several = len({verdict.device_kind for verdict in verdicts}) > 1
    return [
        (verdict.suite + (f" ({verdict.device_kind})" if several else ""), *lines([verdict])[0]) for verdict in verdicts
    ]
