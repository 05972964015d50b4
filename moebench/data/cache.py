"""Keep made or decoded images in a cache folder for a machine's processes and users.

A data set is a folder of NumPy files. The folder is published whole, by renaming, and its files are mapped into memory,
so that any number of processes share one copy. All users may be allowed to write to the cache folder (mode 1777): links
in it are not followed, files of other users are neither changed nor removed, and another user's damaged data set is
replaced by a copy beside it. Each user has a lock for each data set, which the kernel releases if a process dies: a
second process of the user waits for the first. Two users who start at once may both make the images; one copy stays.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from moebench.data.dataset import Dataset
from moebench.data.regular_files import read_regular, why
from moebench.data.set_files import DamagedSet, read_set
from moebench.data.source import Say
from moebench.errors import BadInput
from moebench.files import locked, publishing

R = TypeVar("R", bound=BaseModel)

_MOST_RECORD_BYTES = 1 << 20


def cache_folder() -> Path:
    """Return the cache folder: MOEBENCH_CACHE, else the folder moebench in XDG_CACHE_HOME, else in ~/.cache."""
    if named := os.environ.get("MOEBENCH_CACHE"):
        return Path(named).expanduser().absolute()
    around = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(around) if os.path.isabs(around) else Path.home() / ".cache") / "moebench"


def kept(name: str, key: str, make: Callable[[Path], None], say: Say) -> Dataset:
    """Return the cached data set of a key, made first if missing or damaged.

    Args:
        name: name of the returned data set.
        key: file name; equal images, and no others, have equal keys.
        make: fills an empty folder, with a `Writer`.
        say: receives progress and warnings, line by line.

    Raises:
        BadInput: the cache folder cannot be written to.
    """
    found = _find(name, key, None)
    if found is not None:
        return found
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with _locked(key, say):
            found = _find(name, key, say)  # another process may have made the images in the meantime
            if found is not None:
                return found
            folder = _make(key, make)
    except OSError as error:
        raise BadInput(
            f"cannot keep images in {cache_folder()}: {why(error)}; MOEBENCH_CACHE names another folder.", key="data"
        ) from error
    try:
        found = read_set(name, folder)
    except DamagedSet as damage:
        raise BadInput(
            f"{folder} {damage}, although it was just written: set MOEBENCH_CACHE to a folder on another disk.",
            key="data",
        ) from damage
    assert found is not None
    return found


def is_kept(key: str) -> bool:
    """Return whether images are cached under a key."""
    return any(folder.is_dir() and not folder.is_symlink() for folder in _places(key))


def read_record(key: str, kind: type[R]) -> R | None:
    """Return the cached record of a key; None if it is missing or damaged."""
    try:
        return kind.model_validate_json(read_regular(_record(key), _MOST_RECORD_BYTES, follow=False))
    except (OSError, ValidationError):
        return None


def write_record(key: str, record: BaseModel) -> None:
    """Cache a small record under a key.

    Nothing is written if the cache folder cannot be written to.
    """
    with contextlib.suppress(BadInput), publishing(_record(key)) as temporary:
        temporary.write_text(record.model_dump_json(), encoding="utf-8")


def _record(key: str) -> Path:
    return cache_folder() / f"{key}.json"


def _places(key: str) -> tuple[Path, Path]:
    """Return the folders that may contain a data set: the shared and the user's own.

    The user's own folder serves if the user may not replace the shared one.
    """
    return cache_folder() / key, cache_folder() / f"{key}.user-{os.geteuid()}"


def _find(name: str, key: str, say: Say | None) -> Dataset | None:
    """Return the first undamaged copy of a data set; report the damage of other copies."""
    for folder in _places(key):
        try:
            found = read_set(name, folder)
        except DamagedSet as damage:
            if say is not None:
                say(f"{folder} {damage}: the images are made again.")
            continue
        if found is not None:
            return found
    return None


def _make(key: str, make: Callable[[Path], None]) -> Path:
    """Make a data set in a temporary folder, publish it, and return its path."""
    folder = cache_folder() / key
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):  # left by a process of this user that died
        if left.lstat().st_uid == os.geteuid():
            shutil.rmtree(left, ignore_errors=True)
    temporary = _temporary(folder)
    temporary.mkdir()
    try:
        make(temporary)
        return _publish(temporary, key)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, key: str) -> Path:
    """Move a finished folder to the first path whose present content it may replace."""
    everybodys, own = _places(key)
    folder = everybodys if _is_free(everybodys) else own
    with contextlib.suppress(FileNotFoundError):
        _remove(folder)  # a damaged copy
    os.rename(temporary, folder)
    return folder


def _is_free(path: Path) -> bool:
    """Return whether a path is missing, or this user may replace it."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except FileNotFoundError:
        return True


def _remove(path: Path) -> None:
    """Rename a folder or a link, then delete it.

    The renaming keeps readers from seeing a half-deleted folder.
    """
    aside = _temporary(path)
    os.rename(path, aside)
    if aside.is_symlink() or not aside.is_dir():
        aside.unlink()
    else:
        shutil.rmtree(aside, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")


def _locked(key: str, say: Say) -> contextlib.AbstractContextManager[None]:
    """Return this user's lock of a data set.

    The lock only saves work: a finished folder is published by renaming.
    """
    waiting = f"waiting for another process that makes {cache_folder() / key}"
    return locked(cache_folder() / f".{key}.{os.geteuid()}.lock", lambda: say(waiting))
