"""The claims of the shipped suites, and what the reference results say of them."""

import html
import re
import runpy
from pathlib import Path

import pytest

from moebench.claims.verdict import NO_METHOD, judge
from moebench.claims.written import markdown, summary
from moebench.reports.analysis.cells import Results
from moebench.reports.answer.sentence import answer
from moebench.results import gather
from moebench.suites import find
from moebench.suites.published_costs_file import CountingSuite

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
_PAPER = re.compile(r"\d{4}\.\d{5}, ((section|table|tables|figure) \d|appendix [A-Z])")
NAMES = [name for name in find.shipped() if not isinstance(find.find(name), CountingSuite)]


@pytest.mark.parametrize("name", NAMES)
def test_every_suite_claims_something_and_says_where_the_claim_comes_from(name: str) -> None:
    suite = find.find(name)
    assert not isinstance(suite, CountingSuite)
    assert suite.claims
    for claim in suite.claims:
        assert _PAPER.match(claim.source) or (claim.source.startswith("moebench") and claim.printed is None)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_rows_decide_every_claim_or_say_what_they_would_have_found(name: str) -> None:
    suite = find.find(name)
    assert not isinstance(suite, CountingSuite)
    table, _ = gather(REFERENCE, name)
    for verdict in judge(table.to_pandas(), suite.claims):
        assert verdict.method != NO_METHOD, verdict.text
        assert verdict.seeds
        if verdict.claim.kind != "diverges_first":
            assert verdict.effect.low < verdict.effect.value < verdict.effect.high
            assert verdict.detectable > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_has_at_most_25_words_and_begins_with_the_verdict(name: str) -> None:
    suite = find.find(name)
    assert not isinstance(suite, CountingSuite)
    results = Results.from_frame(gather(REFERENCE, name)[0].to_pandas(), suite.claims)
    sentence = answer(results)
    assert sentence.startswith(f"{summary(results.verdicts)}. ")
    assert len(sentence.split()) <= 25


def test_readme_heads_and_page_say_what_the_reference_rows_say() -> None:
    verdicts = []
    for name in sorted(NAMES):
        suite = find.find(name)
        assert not isinstance(suite, CountingSuite)
        found = judge(gather(REFERENCE, name)[0].to_pandas(), suite.claims)
        text = suite.source.path.read_text(encoding="utf-8")
        head = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line[:1] == "#")
        assert f"of {summary(found)} (moebench claims)." in head
        verdicts += found
    counted, decided = markdown(verdicts).split("\n\n")[:2]
    readme = (REFERENCE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"{counted}\n\n{decided}\n" in readme
    generated = runpy.run_path(str(REFERENCE.parents[1] / "docs" / "readme.py"))
    assert generated["written"](readme) == readme, "python docs/readme.py renews the README's generated parts"
    page = (REFERENCE.parents[1] / "dashboards" / "reference" / "dashboard.html").read_text(encoding="utf-8")
    for verdict in verdicts:
        assert html.escape(verdict.text) in page
