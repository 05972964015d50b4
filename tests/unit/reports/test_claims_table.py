"""Claims on the page: one text of each verdict, and names that stay text."""

from html.parser import HTMLParser

from claim_frames import cell, claim, table

from moebench.claims.claim import parse_claim
from moebench.reports.analysis.cells import Results
from moebench.reports.answer.sentence import answer
from moebench.reports.dashboard import build
from moebench.reports.dashboard.claims_table import claims_html

HOSTILE = '<script>alert(1)</script> & "more"'
FRAME = table(cell("dense", (0.90, 0.92, 0.91)), cell("soft", (0.94, 0.96, 0.95)))
SOFT = claim(says=HOSTILE, better={"router": "soft"}, than={"router": "dense"})
REVERSE = claim(says="Dense is better", better={"router": "dense"}, than={"router": "soft"}, printed="+1 point")


class Rows(HTMLParser):
    """The rows of tables, as a browser's parser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.classes: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        if tag == "tr":
            self.rows.append([])
            self.classes.append(dict(attrs).get("class"))
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_a_row_for_each_claim_with_the_text_of_its_verdict() -> None:
    results = Results.from_frame(FRAME, [parse_claim(SOFT), parse_claim(REVERSE)])
    found = Rows(claims_html(results.verdicts))
    first, second = results.verdicts
    assert found.classes == [None, "shown", "contradicted"]
    assert found.rows == [
        ["Claim", "Source", "Printed", "Verdict"],
        [HOSTILE, "2308.00951, section 3.3", "–", first.text],
        ["Dense is better", "2308.00951, section 3.3", "+1 point", second.text],
    ]


def test_a_suite_without_claims_has_no_table() -> None:
    assert claims_html(Results.from_frame(FRAME).verdicts) == ""


def test_claims_stand_on_the_page_between_answer_and_facts() -> None:
    results = Results.from_frame(FRAME, [parse_claim(REVERSE)])
    page = build.build([build.SuiteResults("mine", "Is it?", results)])
    head = page[: page.index("<main")]
    assert "1 claim: 0 shown, 1 contradicted, 0 undecided" in answer(results)
    assert head.index(answer(results)) < head.index(claims_html(results.verdicts)) < head.index('class="facts"')
