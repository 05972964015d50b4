"""Locks by which cells on the same processors take turns, opened by the server that forks the cells.

The lock files have no name, so that no program that cleans temporary folders can remove them during a long suite. A
lock of `flock` belongs to an open file. Cells beside each other therefore need files that were opened separately, and a
cell shares each of its open files with the server: the server releases the locks of a cell that has ended.
"""

import contextlib
import fcntl
import os
import tempfile


class TurnLocks:
    """The locks `turn` and `work`, opened once for each place of a cell."""

    def __init__(self, places: int) -> None:
        """Open the locks.

        Args:
            places: largest number of cells side by side.

        Raises:
            OSError: the temporary folder cannot be written.
        """
        self.pairs = list(zip(_opened(places), _opened(places), strict=True))
        """File descriptors of `turn` and `work` by place."""

    def release(self, place: int) -> None:
        """Release the locks of the cell that had a place, and has ended."""
        for lock in self.pairs[place]:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the files in this process."""
        for pair in self.pairs:
            for lock in pair:
                os.close(lock)


def can_lock() -> bool:
    """Return whether files in the temporary folder can be locked.

    Some network file systems support no locks.
    """
    try:
        with tempfile.TemporaryFile() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _opened(times: int) -> list[int]:
    """Return descriptors of one nameless file, which is opened several times."""
    first, path = tempfile.mkstemp(prefix="moebench-")
    try:
        return [first, *(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC) for _ in range(times - 1))]
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
