"""List the files of a data set, and count the files that are left out.

One rule decides for all formats which files are hidden.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from moebench.data.regular_files import open_regular, shown, why
from moebench.errors import BadInput

_SYSTEM_NAMES = frozenset(
    {
        *("__macosx", "icon\r"),  # macOS
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # Windows
        *("$recycle.bin", "system volume information", "lost+found"),
        *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # network storage
        "__pycache__",
    }
)
"""Names, in small letters, of files and folders that systems add to a user's own."""
_MOST_SHOWN = 4
_CHUNK = 8 << 20


def is_hidden(name: str) -> bool:
    """Return whether a name marks a file or folder as no data of the user.

    Hidden are names that begin with a dot (`.ipynb_checkpoints`, `.DS_Store`, `._photo.jpg`) or with ~$ (locks of
    office programs), and folders and files that systems make, such as `__MACOSX`, `@eaDir` and `Thumbs.db`. The rule
    applies at every depth below the path that the user gave, and not to that path itself.
    """
    return name.startswith((".", "~$")) or name.lower() in _SYSTEM_NAMES


class LeftOut:
    """Counts of images and files that are left out of a data set, by reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._kinds: dict[str, Counter[str]] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, example: str | Path, kind: str = "", count: int = 1) -> None:
        """Count something that is left out.

        Args:
            reason: the reason, as it completes "left out, …: 3".
            example: what is left out, such as a path.
            kind: what to break the count down by, such as a suffix.
            count: how many.
        """
        self._counts[reason] += count
        self._kinds.setdefault(reason, Counter())[kind] += count
        self._examples.setdefault(reason, shown(example))

    def notes(self) -> list[str]:
        """Return a sentence for each reason, with counts and an example."""
        return [
            f"left out, {reason}: {count:,}{self._broken_down(reason)}, such as {self._examples[reason]}."
            for reason, count in self._counts.items()
        ]

    def _broken_down(self, reason: str) -> str:
        kinds = sorted(
            ((kind, count) for kind, count in self._kinds[reason].items() if kind), key=lambda of: (-of[1], of[0])
        )
        parts = [f"{count:,} {shown(kind)}" for kind, count in kinds[:_MOST_SHOWN]]
        if len(kinds) > _MOST_SHOWN:
            parts.append(f"{sum(count for _, count in kinds[_MOST_SHOWN:]):,} of other kinds")
        return f" ({', '.join(parts)})" if parts else ""


HIDDEN = "hidden"


def visible(folder: Path, left_out: LeftOut | None = None) -> list[os.DirEntry[str]]:
    """Return the visible entries of a folder, in the order of their names.

    Args:
        folder: the folder.
        left_out: counts the hidden entries.

    Raises:
        BadInput: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BadInput(f"cannot read the folder {shown(folder)}: {why(error)}.", key="data") from error
    for entry in found:
        if is_hidden(entry.name) and left_out is not None:
            left_out.add(HIDDEN, entry.path)
    return [entry for entry in found if not is_hidden(entry.name)]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def folders(folder: Path, left_out: LeftOut | None = None) -> list[str]:
    """Return the names of the folders in a folder, without hidden ones.

    Raises:
        BadInput: the folder cannot be read.
    """
    return [entry.name for entry in visible(folder, left_out) if is_folder(entry)]


def walk(top: Path, left_out: LeftOut) -> Iterator[Path]:
    """Yield every visible file below a folder, in the order of the paths.

    Files behind links are included.

    Raises:
        BadInput: a folder cannot be read, or contains itself by a link.
    """
    yield from _walk(top, left_out, frozenset())


def _walk(top: Path, left_out: LeftOut, around: frozenset[tuple[int, int]]) -> Iterator[Path]:
    entries = visible(top, left_out)
    for entry in entries:
        if not is_folder(entry):
            yield Path(entry.path)
    status = os.stat(top)
    here = (status.st_dev, status.st_ino)
    if here in around:
        raise BadInput(f"the folder {shown(top)} contains itself by a link: remove the link.", key="data")
    for entry in entries:
        if is_folder(entry):
            yield from _walk(Path(entry.path), left_out, around | {here})


def stamp(where: str, files: Iterable[Path]) -> str:
    """Return a digest of the paths, sizes and times of files.

    The digest changes whenever one of the files is written.

    Args:
        where: the place, part of the digest.
        files: the files.

    Raises:
        BadInput: a file is missing.
    """
    digest = hashlib.blake2b(where.encode(errors="surrogateescape"), digest_size=16)
    for file in files:
        try:
            status = os.stat(file)
        except OSError as error:
            raise BadInput(f"cannot read {shown(file)}: {why(error)}.", key="data") from error
        times = f"{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
        digest.update(f"{file}\0{times}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def chunks(file: Path) -> Iterator[bytes]:
    """Yield the content of a regular file in chunks.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        with open_regular(file) as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise BadInput(f"cannot read {shown(file)}: {why(error)}.", key="data") from error
