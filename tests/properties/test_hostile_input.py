"""Mutated suite files and command lines are accepted or refused in one sentence; nothing else, and in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hostile_input
import pytest

import moebench


@pytest.mark.parametrize(("what", "count"), [("suites", 300), ("commands", 200)])
def test_hostile_input_is_accepted_or_refused_in_one_sentence(what: str, count: int, tmp_path: Path) -> None:
    paths = [str(Path(module.__file__ or "").parents[up]) for module, up in ((moebench, 1), (hostile_input, 0))]
    ended = subprocess.run(
        [sys.executable, hostile_input.__file__, what, str(tmp_path), str(count)],
        capture_output=True, text=True, timeout=2 * count, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    report = json.loads(ended.stdout.splitlines()[-1])
    assert report["faults"] == {}
    assert report["ends"]["refused"] > count / 2
    assert report["ends"]["accepted"] > 0
    assert report["grown_mib"] < 300
