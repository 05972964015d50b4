"""Publish the progress of a run, from first to last cell, for other processes."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moebench.results import RunStatus, statuses
from moebench.results.run_status import HEARTBEAT_S
from moebench.suites.eta import Pace


class Announcement:
    """The status of one run, published anew at each event."""

    def __init__(self, root: Path, suite: str, run_id: str, total: int) -> None:
        self._root = root
        self._pace = Pace(total)
        self._pace.start()
        self._status = RunStatus(suite, run_id, total)
        self._publish()

    def started(self, label: str) -> None:
        """Publish that a cell began."""
        self._status.running[label] = time.time()
        self._publish()

    def ended(self, label: str, status: str) -> None:
        """Publish that a cell ended and its rows are on disk."""
        self._pace.end_one()
        self._status.running.pop(label, None)
        self._status.ended = dict(Counter(self._status.ended) + Counter([status]))
        self._publish()

    def beat(self, end: threading.Event) -> None:
        """Publish at intervals that the driver is alive, until `end`; long cells have no events."""
        while not end.wait(HEARTBEAT_S):
            self._status.touch(self._root)

    def withdraw(self) -> None:
        """Remove the status, because the run has ended."""
        self._status.withdraw(self._root)

    def _publish(self) -> None:
        self._status.seconds_left = self._pace.seconds_left()
        self._status.publish(self._root)


@contextmanager
def announcing(root: Path, suite: str, run_id: str, total: int) -> Iterator[Announcement]:
    """Announce a run while the block lasts.

    Announcements of the suite's dead drivers are removed.

    Args:
        root: folder of the results.
        suite: name of the suite.
        run_id: name of the run.
        total: number of cells.
    """
    for status in statuses(root, suite):
        if not status.is_alive(root):
            status.withdraw(root)
    announcement, end = Announcement(root, suite, run_id, total), threading.Event()
    heart = threading.Thread(target=announcement.beat, args=(end,), daemon=True)
    heart.start()
    try:
        yield announcement
    finally:
        end.set()
        heart.join()
        announcement.withdraw()
