"""Start an example's script as its head tells, with a `moebench` that trains nothing."""

import os
import subprocess
import sys
from pathlib import Path

from paths import EXAMPLES, REPOSITORY, SUPPORT

SUITE = """
name: tiny
question: Is soft better than dense?
profiles: {cpu: {model: mu/4, data: digits, steps: 1, batch: 4, seeds: [0, 1, 2]}}
cells: [{router: dense}, {router: soft, experts: 4}]
figures: []
"""


def commands(folder: Path) -> dict[str, str]:
    """An environment whose `moebench suite` trains nothing; the command is written into the folder."""
    program = folder / "bin" / "moebench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SUPPORT / "suite_driver.py"}" "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(SUPPORT), str(REPOSITORY)])}


def run(script: str, *arguments: str, where: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(EXAMPLES / script), *arguments], cwd=where, env=environment, capture_output=True, text=True
    )
