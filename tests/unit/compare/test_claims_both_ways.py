"""Claims of a suite in a comparison: each side says what a report of its rows says."""

import json

import pandas as pd
from claim_frames import cell, claim, table
from rich.console import Console

from moebench.claims.claim import parse_claim
from moebench.compare import compare as comparison
from moebench.compare import render
from moebench.compare.claims import judge_both
from moebench.reports.analysis.cells import Results

CLAIMS = (
    parse_claim(claim(better={"router": "soft"}, than={"router": "dense"})),
    parse_claim(claim(says="BPR is better", better={"router": "bpr"}, than={"router": "dense"})),
)
DENSE = cell("dense", (0.90, 0.92, 0.91))


def suite(*soft: float) -> pd.DataFrame:
    return table(DENSE, cell("soft", soft))


A, B = suite(0.94, 0.96, 0.95), suite(0.90, 0.91, 0.92)


def test_each_side_says_what_its_own_report_says() -> None:
    (found,) = judge_both({"mine": CLAIMS}, A, B)  # neither side has cells of BPR
    assert (found.suite, found.says) == ("mine", "Soft MoE is better")
    assert (found.a.verdict, found.b.verdict) == ("shown", "undecided")
    for verdict, rows in ((found.a, A), (found.b, B)):
        assert verdict.text == Results.from_frame(rows, CLAIMS).verdicts[0].text


def test_devices_are_named_if_a_side_has_several() -> None:
    both = pd.concat([A, A.assign(device_kind="gpu")])
    assert [each.says for each in judge_both({"mine": CLAIMS}, both, both)] == [
        "Soft MoE is better (cpu)",
        "Soft MoE is better (gpu)",
    ]
    # With one device on either side these are set against each other.
    assert len(judge_both({"mine": CLAIMS}, A, B.assign(device_kind="gpu"))) == 1


def test_terminal_markdown_and_json_show_one_text() -> None:
    claims = judge_both({"mine": CLAIMS}, A, B)
    report = comparison.compare(A, B, claims=claims)
    console = Console(width=200, record=True)
    for each in render.render_tables(report):
        console.print(each)
    printed, markdown = console.export_text(), render.markdown(report, "a", "b").replace("\\", "")
    record = json.loads(json.dumps(render.record(report, "a", "b")))
    (stated,) = record["claims"]
    assert stated["says"] == "Soft MoE is better"
    for side, verdict in (("a", claims[0].a), ("b", claims[0].b)):
        assert verdict.text in printed
        assert verdict.text in markdown
        assert stated[side] == {"verdict": verdict.verdict, "text": verdict.text}
