"""Jobs of the fake cell program, for the tests of executors."""

import json
import os
import time
from pathlib import Path

from moebench.executors import Ended, Executor, Job, Started
from moebench.spec.limits import Limits

SPEC = {"router": "soft", "options": {}, "model": "mu/2", "data": "digits", "steps": 1, "seeds": [0]}
IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
LIMITS = Limits(30.0)


def job(folder: Path, behave: str | None = None, limits: Limits = LIMITS, name: str = "cell") -> Job:
    spec = folder / f"{name}.json"
    content = {**SPEC, "options": {"behave": behave} if behave else {}}
    spec.write_text(json.dumps({"spec": content, "identity": IDENTITY}))
    return Job(name, spec, folder / f"{name}.parquet", folder / f"{name}.log", limits)


def end(executor: Executor, one: Job) -> Ended:
    started, ended = executor.run([one])
    assert isinstance(started, Started)
    assert isinstance(ended, Ended)
    return ended


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process whose parent has not waited for it yet counts as gone.
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").is_dir() else True


def gone(pids: list[int], within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def printed_pids(log: Path, within_s: float = 10.0) -> list[int]:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if log.exists() and "\n" in (text := log.read_text()):
            return [int(pid) for pid in text.split()[1:3]]
        time.sleep(0.02)
    raise AssertionError(f"nothing in {log}")
