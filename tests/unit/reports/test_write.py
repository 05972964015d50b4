"""What a run leaves beside its rows: the figures that fit them, and a sentence for each that does not."""

from pathlib import Path

from report_frames import suite_frame

from moebench.reports.analysis.cells import Results
from moebench.reports.write import write_report
from moebench.results import Store


def test_a_suite_with_one_number_of_experts_gets_dots_and_a_word(tmp_path: Path) -> None:
    frame = suite_frame(seeds=1, failed=())
    few = Results.from_frame(frame[(frame["router"] == "dense") | (frame["experts"] == 2)])
    figures = ["scaling", "test-time"]
    paths, missing = write_report(Store(tmp_path, "few"), few, title="few", question="Is it so?", figures=figures)
    assert {path.name for path in paths} == {"dots.png", "dots.svg", "dots.pdf", "dashboard.html"}
    assert missing == [
        "'dots' is drawn in place of 'scaling': no router has several values of a number, such as experts.",
        "the figure 'test-time' is left out: no row has a value of test_time.",
    ]
