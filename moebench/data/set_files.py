"""Write the files of a decoded data set with digests, and check opened files."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Literal

import numpy as np
from jaxtyping import Int64, UInt8
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moebench.data.dataset import Dataset, Format, Pixels, Split
from moebench.data.flatness import Flatness
from moebench.data.regular_files import open_regular, read_regular, why
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.errors import BadInput

SplitName = Literal["train", "validation", "test"]
RECORD = "about.json"
_SAY_EVERY_S = 5.0
_CHUNK = 8 << 20
"""Bytes that are hashed at a time. The digest of a file is the digest of its chunks' digests, so that threads share the
work of checking it."""
_MOST_RECORD_BYTES = 64 << 20
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_VERIFIED: set[tuple[str | int, ...]] = set()
"""Files whose digests this process has checked, by path, inode, size and times of change."""


class DamagedSet(Exception):
    """A decoded data set that cannot be used; the text gives the reason."""


class _Record(BaseModel):
    """Content of `about.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    layout: Literal[2] = 2
    """Version of the layout of the files; raised with every change of the layout."""
    image_size: int = Field(ge=1)
    channels: int = Field(ge=1)
    classes: int = Field(ge=1)
    class_names: tuple[str, ...]
    counts: dict[SplitName, Annotated[int, Field(ge=1)]]
    mean: tuple[_Finite, ...]
    std: tuple[_Finite, ...]
    notes: tuple[str, ...]
    digests: dict[str, str]


class Writer:
    """Writer of a data set to disk.

    Images are appended, split by split or mixed.
    """

    def __init__(
        self, folder: Path, counts: Mapping[SplitName, int], kind: Format, say: Say, class_names: Sequence[str] = ()
    ) -> None:
        """Open the files.

        Args:
            folder: an empty folder.
            counts: number of images of each split.
            kind: size, channels and classes of the images.
            say: receives progress, with an estimate of the time left.
            class_names: name of each class, if there are names.

        Raises:
            BadInput: the disk has too little room.
        """
        self._folder, self._kind, self._counts, self._say = folder, kind, dict(counts), say
        self._class_names = tuple(class_names)
        self._total, self._done = sum(counts.values()), 0
        self._flatness = {name: Flatness(kind.channels) for name in counts}
        self._began = self._reported_at = time.monotonic()
        shape = (kind.image_size, kind.image_size, kind.channels)
        needed, free = self._total * int(np.prod(shape)), shutil.disk_usage(folder).free
        if needed > free:
            raise BadInput(
                f"{self._total:,} images of {kind.image_size} pixels take {needed / 1e9:.1f} GB, and {folder.parent} "
                f"has {free / 1e9:.1f} GB free: set MOEBENCH_CACHE to a folder with room.",
                key="data",
            )
        self._images = {
            name: _HashedFile(folder, f"{name}-images", (count, *shape), np.uint8) for name, count in counts.items()
        }
        self._labels = {
            name: _HashedFile(folder, f"{name}-labels", (count,), np.int32) for name, count in counts.items()
        }

    def add(
        self,
        split: SplitName,
        images: UInt8[np.ndarray, "image height width channel"],
        labels: Int64[np.ndarray, "image"],
    ) -> None:
        """Append images to a split."""
        # Written with `write`, and not through a mapped file: a full disk is then an error and not a signal that kills.
        self._images[split].write(images.tobytes())
        self._labels[split].write(labels.astype(np.int32).tobytes())
        self._flatness[split].add(images)
        self._done += len(images)
        now = time.monotonic()
        if now - self._reported_at >= _SAY_EVERY_S:
            self._reported_at = now
            rate = self._done / (now - self._began)
            left = (self._total - self._done) / rate
            self._say(f"{self._done:,} of {self._total:,} images, {rate:,.0f} a second, about {left:.0f} s left")

    def finish(self) -> None:
        """Flush all files to disk, and write the record with their digests."""
        files = {file.name: file for file in (*self._images.values(), *self._labels.values())}
        record = _Record(
            image_size=self._kind.image_size,
            channels=self._kind.channels,
            classes=self._kind.classes,
            class_names=self._class_names,
            counts=self._counts,
            mean=self._flatness["train"].mean,
            std=self._flatness["train"].std,
            notes=tuple(note for name, each in self._flatness.items() for note in each.notes(name)),
            digests={name: file.finish() for name, file in files.items()},
        )
        (self._folder / RECORD).write_text(json.dumps(record.model_dump()), encoding="utf-8")
        seconds = time.monotonic() - self._began
        self._say(f"{self._done:,} images in {seconds:.1f} s, {self._done / seconds:,.0f} a second")

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in (*self._images.values(), *self._labels.values()):
            file.close()


class _HashedFile:
    """A new .npy file whose digest is computed while it is written."""

    def __init__(self, folder: Path, stem: str, shape: tuple[int, ...], kind: type) -> None:
        self.name = f"{stem}.npy"
        self._file: IO[bytes] = (folder / self.name).open("xb")
        self._chunks, self._chunk, self._left = hashlib.blake2b(digest_size=16), _hash(), _CHUNK
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
        written = io.BytesIO()
        np.lib.format.write_array_header_1_0(written, header)
        self.write(written.getvalue())

    def write(self, content: bytes) -> None:
        self._file.write(content)
        rest = memoryview(content)
        while rest:
            part, rest = rest[: self._left], rest[self._left :]
            self._chunk.update(part)
            self._left -= len(part)
            if not self._left:
                self._end_chunk()

    def finish(self) -> str:
        """Flush the file to disk and return its digest."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._left < _CHUNK:
            self._end_chunk()
        return self._chunks.hexdigest()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # of a full disk, which an earlier error has reported
            self._file.close()

    def _end_chunk(self) -> None:
        self._chunks.update(self._chunk.digest())
        self._chunk, self._left = _hash(), _CHUNK


def read_set(name: str, folder: Path) -> Dataset | None:
    """Open the data set in a folder; None if the folder does not exist.

    Shapes, types and label numbers are checked at every opening, the digests of the files once a process. Links are
    not followed.

    Raises:
        DamagedSet: files are missing, unreadable, or differ from their record.
    """
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise DamagedSet("is no folder")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedSet(f"cannot be read ({why(error)})") from error
    try:
        record = _Record.model_validate_json(read_regular(folder / RECORD, _MOST_RECORD_BYTES, follow=False))
    except OSError as error:
        raise DamagedSet(f"has a record that cannot be read ({RECORD}: {why(error)})") from error
    except ValidationError as error:
        raise DamagedSet(f"has a damaged record, or one of another version of moebench ({RECORD})") from error
    if not {"train", "test"} <= record.counts.keys() or {len(record.mean), len(record.std)} != {record.channels}:
        raise DamagedSet(f"has a damaged record ({RECORD})")
    if record.class_names and len(record.class_names) != record.classes:
        raise DamagedSet(f"has names for {len(record.class_names)} of {record.classes} classes ({RECORD})")
    splits = {split: _read_split(folder, split, record) for split in record.counts}
    return Dataset(
        name,
        record.classes,
        splits["train"],
        splits["test"],
        validation=splits.get("validation"),
        class_names=record.class_names,
        notes=record.notes,
    )


def _read_split(folder: Path, split: SplitName, record: _Record) -> Split:
    count, size = record.counts[split], record.image_size
    images = _read_array(folder, f"{split}-images.npy", np.uint8, (count, size, size, record.channels), record)
    labels = np.array(_read_array(folder, f"{split}-labels.npy", np.int32, (count,), record))
    if labels.min() < 0 or labels.max() >= record.classes:
        raise DamagedSet(f"has labels beyond its {record.classes} classes ({split}-labels.npy)")
    return Split(Pixels(images, record.mean, record.std), labels)


def _read_array(folder: Path, name: str, kind: type, shape: tuple[int, ...], record: _Record) -> np.ndarray:
    path = folder / name
    try:
        with open_regular(path, follow=False) as file:
            np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            start, status = file.tell(), os.fstat(file.fileno())
            if header != (shape, False, np.dtype(kind)):
                raise DamagedSet(f"has an array of another shape or type ({name})")
            if status.st_size != start + int(np.prod(shape)) * np.dtype(kind).itemsize:
                raise DamagedSet(f"has a file of another length ({name})")
            seen = (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if seen not in _VERIFIED:
                if _digest(file.fileno(), status.st_size) != record.digests.get(name):
                    raise DamagedSet(f"has a file that differs from its digest ({name})")
                _VERIFIED.add(seen)
            array: np.ndarray = np.memmap(file, kind, "r", start, shape).view(np.ndarray)
            return array
    except OSError as error:
        raise DamagedSet(f"has a file that cannot be read ({name}: {why(error)})") from error
    except ValueError as error:
        raise DamagedSet(f"has a file that is no array ({name})") from error


def _digest(handle: int, size: int) -> str:
    """Return the digest of an open file, its chunks hashed by threads."""
    chunks = hashlib.blake2b(digest_size=16)
    for digest in mapped(lambda start: _hash(os.pread(handle, _CHUNK, start)).digest(), range(0, size, _CHUNK)):
        chunks.update(digest)
    return chunks.hexdigest()


def _hash(content: bytes = b"") -> "hashlib.blake2b":
    return hashlib.blake2b(content, digest_size=16)
