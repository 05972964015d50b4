"""Turns of cells that share processors: several work at once, or one is timed alone.

The step of a small model leaves half of two processors idle, so that two cells side by side end much sooner than one
after the other. Their timings must not disturb each other. A cell that is to be timed therefore waits until every other
cell has reached a point where it can pause; these cells continue when the timing has ended.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from moebench.measuring.time_accounts import Accounts
from moebench.spec.side_by_side import AT_ONCE_VARIABLE, TURNS_VARIABLE, own_waiting

Row = dict[str, int]


class Turns:
    """Turns of one cell; without locks the cell never waits.

    Two locks make the turns. All working cells share the lock `work`; a timed cell has the lock `work` exclusively. A
    cell that wants to work or to be timed first takes the lock `turn`, and keeps it until it has the lock `work`:
    without `turn` a timing would wait for as long as other cells work in overlapping turns. The executor opens the
    locks, and releases those of a killed cell.
    """

    def __init__(self, locks: tuple[int, int] | None, accounts: Accounts, at_once: int = 1) -> None:
        """Describe the turns of a cell.

        Args:
            locks: descriptors of the lock files `turn` and `work`, opened for this cell; None for a cell that runs
                alone.
            accounts: count the seconds of waiting.
            at_once: the largest number of cells side by side.
        """
        self._alone = locks is None
        self._turn, self._work = locks or (-1, -1)
        self._accounts = accounts
        self._at_once = at_once

    @classmethod
    def from_environment(cls, variables: Mapping[str, str], accounts: Accounts) -> "Turns":
        """Return the turns that the executor of the cell arranged."""
        turn, _, work = variables.get(TURNS_VARIABLE, "").partition(",")
        return cls((int(turn), int(work)) if work else None, accounts, int(variables.get(AT_ONCE_VARIABLE, "1")))

    @property
    def columns(self) -> Row:
        """Columns of the result table."""
        return {"cells_at_once": self._at_once}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work beside other cells while the block lasts."""
        if self._alone:
            yield
            return
        try:
            self._begin_work()
            yield
        finally:
            fcntl.flock(self._work, fcntl.LOCK_UN)
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def give_way(self) -> None:
        """Pause for a timing that waits, if there is one; called during work."""
        if not self._alone:
            fcntl.flock(self._work, fcntl.LOCK_UN)
            self._begin_work()

    @contextmanager
    def spending(self, account: str) -> Iterator[None]:
        """Pause for a timing that waits, then add the seconds of a block to an account; called during work.

        Args:
            account: name of the account.
        """
        self.give_way()
        with self._accounts.spending(account):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only cell that computes while the block lasts; called during work."""
        if self._alone:
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
        if not self._alone:
            fcntl.flock(self._work, fcntl.LOCK_UN)
        with self._accounts.spending("waiting_s"), own_waiting().counted():
            yield
        if not self._alone:
            self._begin_work()

    def _begin_work(self) -> None:
        self._wait_for_work(fcntl.LOCK_SH)
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _wait_for_work(self, kind: int) -> None:
        """Take the lock `turn`, then the lock `work`, shared or exclusively."""
        with self._accounts.spending("waiting_s"), own_waiting().counted():
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            fcntl.flock(self._work, kind)
