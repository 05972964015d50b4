"""How long the command line takes until it has said something."""

import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.parametrize("arguments", [["--help"], ["suite", "--help"], ["list", "routers"]], ids=" ".join)
def test_start_up(benchmark: Any, arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from moebench.cli import main; main()", *arguments]

    def start() -> None:
        subprocess.run(command, check=True, capture_output=True)

    benchmark.pedantic(start, rounds=10, warmup_rounds=1)
