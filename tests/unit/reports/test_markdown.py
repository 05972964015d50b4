"""The report as Markdown: the same numbers as elsewhere, and names that stay text."""

import re

import pandas as pd
import pytest
from claim_frames import claim
from report_frames import suite_frame

from moebench.claims.claim import parse_claim
from moebench.reports import markdown
from moebench.reports.analysis.cells import Results
from moebench.reports.answer.sentence import answer, details

QUESTION = "Does quality keep rising as experts are added?"
HOSTILE = "<script>alert(1)</script> | `x` **b** [a](b)\n# $x$"


def rows_of(report: str, title: str) -> list[list[str]]:
    """The table under a heading, as fields."""
    section = report.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[field.strip() for field in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


PICTURES = [("report_figures/pareto.png", "Quality over cost.")]


@pytest.fixture(scope="module")
def report() -> str:
    return markdown.build(
        Results.from_frame(suite_frame()),
        "scaling-experts",
        QUESTION,
        [("report_figures/pareto.png", "Quality over cost.")],
    )


def test_claims_stand_behind_the_answer_with_their_verdicts() -> None:
    claims = [parse_claim(claim(better={"router": "soft"}, than={"router": "dense"}, at="any cost"))]
    results = Results.from_frame(suite_frame(), claims)
    report = markdown.build(results, "mine")
    assert report.index("1 claim: ") < report.index("## Claims") < report.index("## Results")
    assert results.verdicts[0].text in report.replace("\\", "")


def test_it_begins_with_the_question_and_its_answer(report: str) -> None:
    lines = report.splitlines()
    assert lines[0] == f"# {QUESTION}"
    results = Results.from_frame(suite_frame())
    assert [lines[2].replace("\\", ""), lines[4].replace("\\", "")] == [answer(results), details(results)]
    assert "- Cells: 16 of 17 completed" in lines
    assert "- Device: cpu (Xeon)" in lines


def test_tables_have_a_row_for_each_cell_with_intervals(report: str) -> None:
    heads, _, *rows = rows_of(report, "Results")
    assert len(rows) == 17
    assert {len(row) for row in (heads, *rows)} == {len(heads)}
    soft = dict(zip(heads, rows[-1], strict=True))
    assert soft["Cell"] == r"soft\[experts=16\]"
    assert soft["Accuracy is"] == "highest"
    assert re.fullmatch(r"98\.\d % \\\[9[89]\.\d, 9[89]\.\d\\\]", soft["Accuracy"])
    # 1.3 · (1 + 0.02 · √16) · 0.0300 / 0.0306, and 0.98 and 1.03 of it
    assert soft["Time of a training step, times dense"] == r"1.38 × \[1.34, 1.43\]"
    assert "Time of a training step" not in heads
    timing_heads, _, *timings = rows_of(report, "Time and its quality")
    # 0.030 s · 1.3 · (1 + 0.02 · √16), and 0.98 and 1.03 of it
    timed = dict(zip(timing_heads, timings[-1], strict=True))
    assert timed["Time of a training step"] == r"42.1 ms \[41.3, 43.4\]"
    assert dict(zip(heads, rows[8], strict=True))["Accuracy is"] == "none: oom"
    assert len(rows_of(report, "Routing health")) == 2 + 16
    failed = rows_of(report, "Failed cells")[2:]
    assert failed == [
        [r"bpr\[experts=16\]", "3 of 3", "oom", "the training program asked for 12.1 GB, 8.0 GB are there"]
    ]
    assert ["jax", "0.10.2"] in rows_of(report, "Environment")


def test_headings_and_flags_are_explained_and_a_table_without_a_slope_left_out(report: str) -> None:
    assert "- Dropped tokens: share of tokens that no expert processes; mean over MoE layers" in report
    assert "- noisy: an interval is wider than ± 10% of its median" in report
    assert "- Timing: 1 of 16 cells flagged (noisy 1)" in report.splitlines()
    times = {row[0]: row[1:] for row in rows_of(report, "Time and its quality")[2:]}
    assert times[r"soft\[experts=2\]"][0] == "noisy"
    assert len(rows_of(report, "Accuracy for each doubling of the experts")) == 2 + 4
    one = suite_frame()
    one = one[(one["router"] == "dense") | (one["experts"] == 4)]
    assert "doubling of the experts" not in markdown.build(Results.from_frame(one), "one").split("## Results")[1]


def test_figures_are_referred_to_as_told(report: str) -> None:
    assert re.findall(r"!\[(.+?)\]\(<(.+?)>\)", report) == [("Quality over cost.", "report_figures/pareto.png")]


def test_names_stay_text() -> None:
    frame = suite_frame()
    frame["router"] = frame["router"].replace({"bpr": HOSTILE})
    frame["status_reason"] = frame["status_reason"].where(frame["status_reason"].isna(), HOSTILE)
    report = markdown.build(Results.from_frame(frame), HOSTILE, HOSTILE)
    assert "<script" not in report
    assert report.count("\n# ") == 0
    assert {len(row) for row in rows_of(report, "Failed cells")} == {4}
    assert not re.search(r"(?<!\\)[*`$]", report)


def test_long_tables_stop_and_say_so() -> None:
    many = pd.concat([suite_frame(seeds=1, device=f"device {n}") for n in range(13)], ignore_index=True)
    report = markdown.build(Results.from_frame(many), "many")
    assert len(rows_of(report, "Results")) == 202
    assert "The first 200 of 221 rows." in report
