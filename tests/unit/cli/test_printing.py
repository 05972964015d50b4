"""The numbers that one cell prints."""

import io

from report_frames import suite_frame
from rich.console import Console

from moebench.cli.printing import print_numbers
from moebench.reports.analysis.cells import Results


def test_a_diagnostic_task_prints_what_it_is_for() -> None:
    frame = suite_frame()
    soft = frame[(frame["router"] == "soft") & (frame["experts"] == 4)]
    printed = {}
    for name, rows in (("plain", soft), ("domains", soft.assign(domain_information=0.91))):
        lines = io.StringIO()
        print_numbers(Console(file=lines, width=100), Results.from_frame(rows))
        printed[name] = {" ".join(line.split()) for line in lines.getvalue().splitlines()}
    assert any(line.startswith("Information of experts on domains 0.91") for line in printed["domains"])
    assert not any("domains" in line for line in printed["plain"])
