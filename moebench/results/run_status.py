"""The present state of a run, in a small file for any other process.

    results/_files/SUITE/running/RUN_ID.json      published by the run's driver, removed when the run ends

A driver that was killed leaves its file behind. On the driver's own machine its process number and the time that the
process began show that the driver is dead; on another machine, a file that has not been touched for two minutes.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field

from moebench.errors import BadInput
from moebench.files import entries, publishing
from moebench.results.parquet_files import Problem
from moebench.results.suite_folder import SuiteFolder, suite_folders
from moebench.spec.records import FileName, Seconds, read_record

HEARTBEAT_S = 20.0
_SILENT_S = 120.0
_Count = Annotated[int, Field(ge=0, le=10**9)]


@dataclass
class RunStatus:
    """The last published state of a run."""

    suite: FileName
    run_id: FileName
    total: _Count
    """Cells of the run."""
    ended: dict[str, _Count] = field(default_factory=dict)
    """Cells that have ended, by status."""
    running: dict[str, Seconds] = field(default_factory=dict)
    """Labels of the running cells, and when each began, in seconds since 1970."""
    seconds_left: Seconds | None = None
    """The driver's estimate at the time of publishing; None before the first cell has ended."""
    written: Seconds = field(default_factory=time.time)
    host: str = field(default_factory=socket.gethostname)
    pid: Annotated[int, Field(ge=1, lt=1 << 31)] = field(default_factory=os.getpid)
    pid_began: Seconds = field(default_factory=lambda: float(psutil.Process().create_time()))

    def path(self, root: Path) -> Path:
        """Return the file of the status."""
        return SuiteFolder(root, self.suite).running_folder / f"{self.run_id}.json"

    def publish(self, root: Path) -> None:
        """Write the status, unless the disk refuses: a full disk should not stop a run."""
        self.written = time.time()
        with contextlib.suppress(BadInput), publishing(self.path(root)) as temporary:
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def touch(self, root: Path) -> None:
        """Show that the driver is alive."""
        with contextlib.suppress(OSError):
            os.utime(self.path(root))

    def withdraw(self, root: Path) -> None:
        """Remove the status of a run that has ended or whose driver is dead."""
        with contextlib.suppress(OSError):
            self.path(root).unlink(missing_ok=True)

    def is_alive(self, root: Path) -> bool:
        """Return whether the driver still runs, as far as this machine can tell."""
        if self.host == socket.gethostname():
            try:
                # A later process may have been given the same number.
                return bool(abs(psutil.Process(self.pid).create_time() - self.pid_began) < 1)
            except psutil.NoSuchProcess:
                return False
            except psutil.Error:  # another user's process, about which the system says nothing
                return True
        try:
            return time.time() - self.path(root).stat().st_mtime < _SILENT_S
        except OSError:
            return False


def statuses(root: Path, suite: str | None = None) -> Iterator[RunStatus]:
    """Yield the last published states of the drivers under `root`, dead drivers included.

    Damaged files are left out.
    """
    return (found for found in _read(root, suite) if isinstance(found, RunStatus))


def damaged_statuses(root: Path, suite: str | None = None) -> Iterator[Problem]:
    """Yield the files of drivers under `root` that are no valid status, with the reason."""
    return (found for found in _read(root, suite) if isinstance(found, Problem))


def _read(root: Path, suite: str | None) -> Iterator[RunStatus | Problem]:
    folders = suite_folders(root) if suite is None else [SuiteFolder(root, suite)]
    for path in (path for folder in folders for path in entries(folder.running_folder)):
        if path.suffix != ".json" or path.name.startswith("."):
            continue
        try:
            status = read_record(path, RunStatus, "run status")
        except BadInput as error:
            if path.exists():  # otherwise the run has just ended
                yield Problem(path, str(error).removeprefix(f"the run status {path} "))
            continue
        # The names in a status decide which file is removed, so they must name this file.
        if status.path(root) == path:
            yield status
        else:
            yield Problem(path, f"is damaged: it names the run {status.suite}/{status.run_id}.")
