"""What an executor shares with cells that run side by side: environment variables, and the seconds of waiting.

The cells share the processors of one machine.
"""

import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

TURNS_VARIABLE = "MOEBENCH_TURNS"
"""File descriptors of the two locks by which the cells take turns, as in "5,6"; unset for a single cell."""
AT_ONCE_VARIABLE = "MOEBENCH_CELLS_AT_ONCE"
"""Largest number of cells side by side; unset for a single cell."""
_SECONDS = struct.Struct("d")


class Waiting:
    """Seconds that a cell has waited for other cells, in memory that forked processes share.

    The cell counts, and the process that forked the cell reads: the time limit of a cell is for its own work.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2 * _SECONDS.size)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the seconds of a block as waiting; blocks may not be nested."""
        began = time.monotonic()
        self._set(1, began)
        try:
            yield
        finally:
            # In this order a reader between both writes finds too many seconds, never too few.
            self._set(0, self._get(0) + time.monotonic() - began)
            self._set(1, 0.0)

    def seconds(self, now: float) -> float:
        """Return the seconds of waiting, those of a wait that lasts included.

        Args:
            now: value of `time.monotonic`.
        """
        began = self._get(1)
        return self._get(0) + (max(0.0, now - began) if began else 0.0)

    def close(self) -> None:
        """Release the memory in this process."""
        self._memory.close()

    def _get(self, place: int) -> float:
        value: float = _SECONDS.unpack_from(self._memory, place * _SECONDS.size)[0]
        return value

    def _set(self, place: int, value: float) -> None:
        _SECONDS.pack_into(self._memory, place * _SECONDS.size, value)


_own = Waiting()


def own_waiting() -> Waiting:
    """Return the waiting of this process."""
    return _own


def adopt_waiting(waiting: Waiting) -> None:
    """Make the waiting of this process readable by the process that forked it.

    Args:
        waiting: made by the other process before the fork.
    """
    global _own
    _own = waiting
