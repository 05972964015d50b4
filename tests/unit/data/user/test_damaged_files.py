"""Damaged data files end in one sentence or are read; nothing else, and in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import damaged_data

import moebench


def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    paths = [str(Path(module.__file__ or "").parents[up]) for module, up in ((moebench, 1), (damaged_data, 0))]
    ended = subprocess.run(
        [sys.executable, damaged_data.__file__, str(tmp_path), "400"],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]  # the last case, and where it crashed
    report = json.loads(ended.stdout)
    assert report["faults"] == {}
    assert report["ends"]["refused"] > 150
    assert report["ends"]["read"] > 20
    assert report["grown_mib"] < 300
