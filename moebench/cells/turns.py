"""Turns of cells that share processors: several work at once, or one is timed alone.

The step of a small model leaves half of two processors idle, so that two cells side by side end much sooner than one
after the other. Their timings must not disturb each other. A cell that is to be timed therefore waits until every other
cell has reached a point where it can pause; these cells continue when the timing has ended.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from moebench.measuring.time_accounts import Accounts
from moebench.spec.side_by_side import AT_ONCE_VARIABLE, TURNS_VARIABLE

Row = dict[str, int]


class Turns:
    """Turns of one cell; without a folder of locks the cell never waits.

    Two locks make the turns. All working cells share the lock `work`; a timed cell has the lock `work` exclusively. A
    cell that wants to work or to be timed first takes the lock `turn`, and keeps it until it has the lock `work`:
    without `turn` a timing would wait for as long as other cells work in overlapping turns. The kernel releases the
    locks of a killed cell.
    """

    def __init__(self, folder: Path | None, accounts: Accounts, at_once: int = 1) -> None:
        """Describe the turns of a cell; `working` opens the locks.

        Args:
            folder: folder of the locks, which the executor made; None for a cell that runs alone.
            accounts: count the seconds of waiting.
            at_once: the largest number of cells side by side.
        """
        self._folder = folder
        self._accounts = accounts
        self._at_once = at_once

    @classmethod
    def from_environment(cls, variables: Mapping[str, str], accounts: Accounts) -> "Turns":
        """Return the turns that the executor of the cell arranged."""
        folder = variables.get(TURNS_VARIABLE)
        return cls(Path(folder) if folder else None, accounts, int(variables.get(AT_ONCE_VARIABLE, "1")))

    @property
    def columns(self) -> Row:
        """Columns of the result table."""
        return {"cells_at_once": self._at_once}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work beside other cells while the block lasts."""
        if self._folder is None:
            yield
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._turn, self._work = (os.open(self._folder / name, flags, 0o600) for name in ("turn", "work"))
        try:
            self._begin_work()
            yield
        finally:
            os.close(self._work)
            os.close(self._turn)

    def give_way(self) -> None:
        """Pause for a timing that waits, if there is one; called during work."""
        if self._folder is not None:
            fcntl.flock(self._work, fcntl.LOCK_UN)
            self._begin_work()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only cell that computes while the block lasts; called during work."""
        if self._folder is None:
            yield
            return
        fcntl.flock(self._work, fcntl.LOCK_UN)
        self._wait_for_work(fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._work, fcntl.LOCK_SH)  # no other cell waits for `work`: other cells wait for `turn`
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Wait for something other than a turn while the block lasts; called during work."""
        if self._folder is not None:
            fcntl.flock(self._work, fcntl.LOCK_UN)
        with self._accounts.spending("waiting_s"):
            yield
        if self._folder is not None:
            self._begin_work()

    def _begin_work(self) -> None:
        self._wait_for_work(fcntl.LOCK_SH)
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _wait_for_work(self, kind: int) -> None:
        """Take the lock `turn`, then the lock `work`, shared or exclusively."""
        with self._accounts.spending("waiting_s"):
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            fcntl.flock(self._work, kind)
