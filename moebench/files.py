"""Publish files whole or not at all.

A file is written under a hidden temporary name in its folder, flushed to the disk, and renamed. A reader sees either
the old file or the new one, and a process that is killed leaves at worst a hidden file, which pandas and pyarrow skip.
"""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from moebench.errors import BadInput, shortened

_MARKS = '/\\:*?"<>|'
_UNSAFE = re.compile(rf"[{re.escape(_MARKS)}\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_NAME = 200
"""File systems take 255 bytes; endings and the marks of temporary files are added to a name."""


def entries(folder: Path) -> list[Path]:
    """Return the paths in a folder, sorted by name.

    The list is empty if the folder is missing or has vanished.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_small(path: Path, most: int, what: str = "file") -> bytes:
    """Return the content of a regular file that has at most `most` bytes.

    Args:
        path: the file.
        most: largest number of bytes; a larger file is not read.
        what: the kind of file, for the message.

    Raises:
        BadInput: the file does not exist, is a pipe, a device or a folder, or is larger.
    """
    try:
        # Reading a pipe would wait for a writer that may never come.
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


def check_file_name(name: str, kind: str = "file") -> str:
    """Return a name that becomes part of a path.

    Args:
        name: given by a user, or read from a file that any user may have written.
        kind: the kind of thing that is named, for the message.

    Raises:
        BadInput: the name could lead out of its folder, hide the file, or cannot be written on every system.
    """
    if not is_file_name(name):
        raise BadInput(
            f"{kind} name '{shortened(name)}' cannot name a file: it is empty, begins with '.' or '_', is longer than "
            f"{_LONGEST_NAME} bytes, or holds a control character or one of {_MARKS}"
        )
    return name


def is_file_name(name: str) -> bool:
    """Return whether a name is valid for a visible file on every system.

    A valid name leads to a file of its folder.
    """
    short = len(name.encode(errors="replace")) <= _LONGEST_NAME
    return bool(name) and name[0] not in "._" and short and not _UNSAFE.search(name)


def set_aside(path: Path) -> None:
    """Rename a damaged file or folder, so that it is no longer found.

    The renamed file stays for inspection. An earlier renamed file is replaced. A path that is missing, or that may not
    be renamed, is left unchanged.
    """
    aside = path.with_name(f".{path.name.lstrip('.')}.damaged")
    with contextlib.suppress(OSError):
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        os.replace(path, aside)


def is_temporary(path: Path) -> bool:
    """Return whether this is the name of a file that is still being written."""
    return path.name.startswith(".") and path.suffix == ".tmp"


@contextlib.contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Yield a hidden temporary path, which becomes `path` if the block succeeds.

    The change happens at once and durably. Missing folders are made. After a failure no half-written file remains, and
    the old content of `path` stays.

    Raises:
        BadInput: the disk is full, a permission is missing, or the file cannot be written for another reason.
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


@contextlib.contextmanager
def locked(path: Path, before_waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a file against other processes of this user while the block lasts.

    The lock of a killed process is released. If the lock file is not this user's own regular file, such as a link that
    another user made, or cannot be made or locked, no lock is taken: a lock here only saves repeated work, and no
    result depends on it.

    Args:
        path: the lock file, which is made if it is missing.
        before_waiting: called once if another process has the lock.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        status = os.fstat(lock)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            with contextlib.suppress(OSError):  # some network file systems support no locks
                _lock(lock, before_waiting)
        yield
    finally:
        os.close(lock)


def _lock(file: int, before_waiting: Callable[[], None]) -> None:
    import fcntl  # not on Windows, on which no cell can run

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        before_waiting()
        fcntl.flock(file, fcntl.LOCK_EX)


def _flush(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
