"""Publish files whole or not at all.

A file is written under a hidden temporary name beside its place, flushed to the disk, and renamed. A reader sees the
old file or the new one, never half of one, and a process killed at any moment leaves at worst a hidden file that
pandas and pyarrow skip.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from moebench.errors import BadInput


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where it is no folder or has gone since it was listed."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_temporary(path: Path) -> bool:
    """Whether this is the name of a file that is still being written."""
    return path.name.startswith(".") and path.suffix == ".tmp"


@contextlib.contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """A hidden temporary path to write to; it becomes `path`, at once and durably, when the block ends well.

    Folders on the way are made. A full disk, a missing permission or any other failure to write raises `BadInput`,
    leaves no half-written file behind, and leaves what stood at `path` as it was.
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
