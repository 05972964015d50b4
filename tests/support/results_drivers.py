"""Drivers for the survival tests, run as a program so that they can be killed and raced without harm.

    python results_drivers.py race ROOT LEDGER NUMBER     one of several drivers that share ROOT
    python results_drivers.py kill ROOT LEDGER TIMES      one driver after another, each killed while it works

A driver redoes a few cells in run after run and seals each run. A row goes into the ledger as soon as its file is
published: whatever stands there must be found afterwards.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from results_rows import finish

from moebench.results import Store

CELLS = ("a",)
SEEDS = (0, 1)


def drive(root: Path, ledger: Path, name: str, runs: int, own: str) -> None:
    """`runs` runs of the shared cells and one of this driver's own."""
    store = Store(root, "small")
    for number in range(runs):
        run_id = f"{number:03}-{name}"
        for cell in (*CELLS, own):
            done = store.finished().get((cell, SEEDS[0]))
            attempt = done.attempt + 1 if done else 1
            finish(store, cell, SEEDS, run_id=run_id, attempt=attempt)
            lines = "".join(f"{cell} {seed} {attempt} {run_id}\n" for seed in SEEDS)
            handle = os.open(ledger, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.write(handle, lines.encode())
            os.close(handle)
        store.seal(run_id)


def kill(root: Path, ledger: Path, times: int) -> None:
    """Start `times` drivers one by one; end each by SIGKILL up to 0.2 s after a row is in the ledger.

    The row is the driver's first, or for every second driver the first after its first sealing, so that kills fall
    before and after sealings on slow machines too.
    """
    moments = random.Random(0)
    ledger.touch()
    for number in range(times):
        child = os.fork()
        if not child:
            drive(root, ledger, f"k{os.getpid()}", 1000, "own")
        awaited = f" {number % 2:03}-k{child}\n"
        while awaited not in ledger.read_text():
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    what, root, ledger, number = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    if what == "kill":
        kill(root, ledger, number)
    else:
        drive(root, ledger, f"d{number}", 3, f"own{number}")
