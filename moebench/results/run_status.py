"""What a run is doing at this moment, in a small file that any other process can read.

    results/SUITE/_running/RUN_ID.json      published by the run's driver, removed when it ends

A driver that was killed leaves its file behind. On its own machine it is known to be dead by its process id and the
time that process began; from another one, by a file that has not been touched for two minutes.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from moebench.errors import BadInput
from moebench.files import entries, publishing

FOLDER = "_running"
HEARTBEAT_S = 20.0
_SILENT_S = 120.0


@dataclass
class RunStatus:
    """A run as its driver last told of it."""

    suite: str
    run_id: str
    total: int
    """Cells that the run is to do."""
    ended: dict[str, int] = field(default_factory=dict)
    """Cells that have ended, by status."""
    running: dict[str, float] = field(default_factory=dict)
    """Labels of the cells that run now, and when each began, in seconds since 1970."""
    seconds_left: float | None = None
    """The driver's estimate when it wrote this; None before the first cell has ended."""
    written: float = field(default_factory=time.time)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    pid_began: float = field(default_factory=lambda: float(psutil.Process().create_time()))

    def path(self, root: Path) -> Path:
        """Where the status lies."""
        return root / self.suite / FOLDER / f"{self.run_id}.json"

    def publish(self, root: Path) -> None:
        """Write the status. A disk that is full is no reason to stop a run, and is passed over."""
        self.written = time.time()
        with contextlib.suppress(BadInput), publishing(self.path(root)) as temporary:
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def touch(self, root: Path) -> None:
        """Say that the driver is alive."""
        with contextlib.suppress(OSError):
            os.utime(self.path(root))

    def withdraw(self, root: Path) -> None:
        """The run has ended, or is known to be dead."""
        with contextlib.suppress(OSError):
            self.path(root).unlink(missing_ok=True)

    def is_alive(self, root: Path) -> bool:
        """Whether the driver still runs, as far as can be told from here."""
        if self.host == socket.gethostname():
            try:
                # The same number may have been given to a later process.
                return bool(abs(psutil.Process(self.pid).create_time() - self.pid_began) < 1)
            except psutil.NoSuchProcess:
                return False
        try:
            return time.time() - self.path(root).stat().st_mtime < _SILENT_S
        except OSError:
            return False


def statuses(root: Path, suite: str | None = None) -> Iterator[RunStatus]:
    """What the drivers under `root` last told, the dead ones' included; a file that cannot be read is passed over."""
    folders = entries(root) if suite is None else [root / suite]
    for path in (path for folder in folders for path in entries(folder / FOLDER) if path.suffix == ".json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield RunStatus(**json.loads(path.read_text(encoding="utf-8")))
