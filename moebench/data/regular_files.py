"""Open regular files only.

No FIFO, device or malicious link can then block or mislead a reader.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_LONGEST_NAME = 300


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        path: the file.
        follow: whether `path` may be a symbolic link.

    Raises:
        OSError: the file cannot be opened, is no regular file, or is a link that must not be followed.
    """
    # Without O_NONBLOCK, opening a FIFO waits until another process writes to it.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags)
    try:
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'of another kind')} and no regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Return the content of a regular file whose size is checked before it is read.

    Args:
        path: the file.
        most: largest size in bytes.
        follow: whether `path` may be a symbolic link.

    Raises:
        OSError: as `open_regular`, or the file is larger than `most`.
    """
    with open_regular(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, and at most {most:,} are read")
        return file.read(most)


def why(error: OSError) -> str:
    """Return the reason of an error, without the path, which the surrounding message names already."""
    return error.strerror or str(error) or type(error).__name__


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, without a full stop.

    An error without text gives the name of its class.
    """
    text = why(error) if isinstance(error, OSError) else str(error).strip() or type(error).__name__
    return shown(text.splitlines()[0]).rstrip(".")


def shown(name: str | Path) -> str:
    """Return a file name for a message, printable and on one line.

    A very long name is shortened in the middle.
    """
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(name))
    half = _LONGEST_NAME // 2
    return text if len(text) <= _LONGEST_NAME else f"{text[:half]}…{text[-half:]}"
