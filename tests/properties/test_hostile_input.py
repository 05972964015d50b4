"""Mutated suite files and command lines are accepted or refused in one sentence, and in little memory."""

from pathlib import Path

import hostile_input
import pytest
from measured_program import report_of


@pytest.mark.parametrize(("what", "count"), [("suites", 300), ("commands", 200)])
def test_hostile_input_is_accepted_or_refused_in_one_sentence(what: str, count: int, tmp_path: Path) -> None:
    report = report_of(hostile_input, what, str(tmp_path), str(count), timeout=2 * count)
    assert report["faults"] == {}
    assert report["ends"]["refused"] > count / 2
    assert report["ends"]["accepted"] > 0
    assert report["grown_mib"] < 300
