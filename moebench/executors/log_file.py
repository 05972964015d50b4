"""A log file of bounded size, with the beginning and the end of the output."""

from pathlib import Path

HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 16


class CappedLog:
    """A log file of the first megabyte and the last 64 KiB of the rest.

    The first megabyte is written at once, the last part on closing.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed by close)
        self._room = HEAD_BYTES
        self._tail = b""
        self._left_out = 0

    def write(self, printed: bytes) -> None:
        """Append output. A full disk ends the log, not the cell."""
        head, rest = printed[: self._room], printed[self._room :]
        try:
            self._file.write(head)
        except OSError:
            self._room = 0
            return
        self._room -= len(head)
        kept = self._tail + rest
        self._tail = kept[-TAIL_BYTES:]
        self._left_out += len(kept) - len(self._tail)

    def close(self) -> None:
        """Write the end of the output.

        A line before the end gives the number of bytes left out.
        """
        try:
            if self._left_out:
                self._file.write(f"\n[... {self._left_out:,} bytes left out ...]\n".encode())
            self._file.write(self._tail)
        except OSError:
            pass
        finally:
            self._file.close()
