"""Run a program of `tests/support` that prints a report as JSON, in a process of its own, which may crash."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import moebench


def report_of(program: ModuleType, *arguments: str, timeout: float) -> dict[str, Any]:
    """Return the JSON object in the last line that a module prints when it is run with these arguments."""
    paths = [str(Path(module.__file__ or "").parents[up]) for module, up in ((moebench, 1), (program, 0))]
    ended = subprocess.run(
        [sys.executable, str(program.__file__), *arguments],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]  # the last case, and where it crashed
    return dict(json.loads(ended.stdout.splitlines()[-1]))
