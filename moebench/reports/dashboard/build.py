"""Build the page: one complete HTML file, which can be sent by mail."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from moebench.inside.load import Recording
from moebench.reports import flag_marks, run_facts, style
from moebench.reports.analysis.cells import Results
from moebench.reports.answer.sentence import answer, details
from moebench.reports.dashboard import data
from moebench.reports.dashboard.claims_table import claims_html
from moebench.reports.dashboard.inside import MOST_BYTES, inside_html
from moebench.reports.offline_page import filled, head, packed, part, program

_SCRIPTS = (
    "store.js",
    "table.js",
    "charts.js",
    "quality.js",
    "inside.js",
    "test_time.js",
    "published.js",
    "filters.js",
    "page.js",
)


@dataclass(frozen=True)
class SuiteResults:
    """Contents of the page for one suite."""

    name: str
    question: str
    results: Results
    recordings: Sequence[Recording] = ()
    """Recordings of routing, if cells were recorded."""


def build(suites: Sequence[SuiteResults]) -> str:
    """Return the whole page as HTML.

    Args:
        suites: the suites, of which readers choose one; the page opens with the first.
    """
    library = _library()
    script = program(*map(_part, _SCRIPTS))
    title = suites[0].name if len(suites) == 1 else f"{len(suites)} suites"
    parts = {
        "head": head(title, _part("style.css"), library, script),
        "choice": _choice(suites),
        "heads": "\n".join(_head(suite, place) for place, suite in enumerate(suites)),
        "inside": _inside(suites),
        "rest": style.THE_REST,
        "seconds": flag_marks.SECONDS,
        "own_ratio": flag_marks.OWN_RATIO,
        "data": "\n".join(_data(f"data-{place}", suite) for place, suite in enumerate(suites)),
        "common": packed(data.common_data()),
        "library": library,
        "program": script,
    }
    return filled(_part("index.html"), parts)


@cache
def _library() -> str:
    """Return Vega's scripts, which take a second to gather and are equal for every page."""
    import vl_convert

    # The bundle's global names clash with other scripts, hence the function around it.
    return f"(function(){{{vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;')}}})();"


def _choice(suites: Sequence[SuiteResults]) -> str:
    """Return the element to choose a suite; for one suite its name alone."""
    if len(suites) == 1:
        return f"<bdi>{html.escape(suites[0].name)}</bdi>"
    options = "".join(
        f'<option value="{html.escape(suite.name)}">{html.escape(suite.name)}</option>' for suite in suites
    )
    return f'<label>Suite <select id="suite">{options}</select></label>'


def _head(suite: SuiteResults, place: int) -> str:
    """Return question, answer, claims and facts of a suite, readable without any script."""
    facts = run_facts.facts(suite.results)
    listed = "".join(f"<div><dt>{term}</dt><dd>{html.escape(text)}</dd></div>" for term, text in facts.items())
    return (
        f'<div class="head" data-head="{place}">\n<h1><bdi>{html.escape(suite.question)}</bdi></h1>\n'
        f'<p class="answer"><bdi>{html.escape(answer(suite.results))}</bdi></p>\n'
        f'<details class="grounds"><summary>Details</summary>'
        f"<p><bdi>{html.escape(details(suite.results))}</bdi></p></details>\n"
        f'{claims_html(suite.results.verdicts)}<dl class="facts">{listed}</dl>\n</div>'
    )


def _inside(suites: Sequence[SuiteResults]) -> str:
    """Return the section of recorded routing; empty if no suite has recordings."""
    recorded = sum(bool(suite.recordings) for suite in suites)
    shown = [
        inside_html(place, suite.name, suite.recordings, MOST_BYTES // max(recorded, 1))
        for place, suite in enumerate(suites)
    ]
    if not any(shown):
        return ""
    return f'<section id="inside" tabindex="-1" data-nav="Inside">\n<h2>Inside</h2>\n{"".join(shown)}\n</section>\n\n'


def _data(name: str, suite: SuiteResults) -> str:
    content = packed(data.suite_data(suite.results, suite.name))
    return f'<script type="application/gzip" id="{name}">{content}</script>'


def _part(name: str) -> str:
    return part("moebench.reports.dashboard", name)
