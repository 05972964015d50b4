"""Write the verdicts on a suite's claims as an HTML table, readable without any script."""

import html
from collections.abc import Sequence

from moebench.claims.verdict import Verdict
from moebench.claims.written import HEADINGS, lines


def claims_html(verdicts: Sequence[Verdict]) -> str:
    """Return the verdict on each claim as a row; empty for a suite without claims.

    The class of a row is the word of its verdict, by which the page colours the text.
    """
    if not verdicts:
        return ""
    heads = "".join(f'<th scope="col">{heading.capitalize()}</th>' for heading in HEADINGS)
    rows = []
    for verdict, line in zip(verdicts, lines(verdicts), strict=True):
        says, *others = (f"<bdi>{html.escape(text)}</bdi>" for text in line)
        cells = "".join(f"<td>{text}</td>" for text in others)
        rows.append(f'<tr class="{verdict.verdict}"><th scope="row">{says}</th>{cells}</tr>')
    return (
        '<div class="claims" tabindex="0" role="group" aria-label="Claims">\n'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>\n</div>\n"
    )
