"""Damaged data files end in one sentence or are read; nothing else, and in little memory."""

from pathlib import Path

import damaged_data
from measured_program import report_of


def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    report = report_of(damaged_data, str(tmp_path), "400", timeout=600)
    assert report["faults"] == {}
    assert report["ends"]["refused"] > 150
    assert report["ends"]["read"] > 20
    assert report["grown_mib"] < 300
