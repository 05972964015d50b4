"""Publish files whole or not at all.

A file is written under a hidden temporary name beside its place, flushed to the disk, and renamed. A reader sees the
old file or the new one, never half of one, and a process killed at any moment leaves at worst a hidden file that
pandas and pyarrow skip.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from moebench.errors import BadInput


def entries(folder: Path) -> list[Path]:
    """Return the paths in a folder, sorted by name; none if it is no folder or has gone since it was listed."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_small(path: Path, most: int, what: str = "file") -> bytes:
    """Return the content of a regular file that has at most `most` bytes.

    Args:
        path: the file.
        most: bytes beyond which nothing is read.
        what: what the file is, for the message.

    Raises:
        BadInput: there is no such file, it is a pipe, a device or a folder, or it is larger.
    """
    try:
        # A pipe would wait for a writer that may never come.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise BadInput(f"cannot read the {what} {path}: it is no regular file.")
        with open(handle, "rb") as file:
            content = b"" if status.st_size > most else file.read(most + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        reason = error.strerror if isinstance(error, OSError) else "its name holds a NUL character"
        raise BadInput(f"cannot read the {what} {path}: {reason}.") from error
    if status.st_size > most or len(content) > most:
        raise BadInput(f"cannot read the {what} {path}: it has more than {most:,} bytes.")
    return content


def is_temporary(path: Path) -> bool:
    """Return whether this is the name of a file that is still being written."""
    return path.name.startswith(".") and path.suffix == ".tmp"


@contextlib.contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Yield a hidden temporary path to write to; it becomes `path`, at once and durably, if the block succeeds.

    Folders on the way are made. A failure leaves no half-written file behind, and the old content of `path` in place.

    Raises:
        BadInput: a full disk, a missing permission, or another failure to write.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary, os.O_RDWR)
        os.replace(temporary, path)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise BadInput(f"cannot write {path}: {why}; what was there before is unchanged") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    # The rename itself is durable once the folder is flushed; file systems that cannot do that order it themselves.
    with contextlib.suppress(OSError):
        _flush(path.parent, os.O_RDONLY)


def _flush(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
