"""Images that were made once, kept in a cache folder for every process of the machine.

A data set is a folder of NumPy files. It is published whole, by renaming it, and read by mapping its files into
memory, so that any number of processes share one copy. Whoever makes one holds a lock, which the kernel gives back
should he die; a second process waits, and takes what the first has made.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from uuid import uuid4

import numpy as np
from jaxtyping import Int64, UInt8

from moebench.data.dataset import Dataset, Format, Pixels, Split
from moebench.data.source import Say
from moebench.errors import BadInput

SPLITS = ("train", "test")
_ABOUT = "about.json"
_SAY_EVERY_S = 5.0


def cache_folder() -> Path:
    """MOEBENCH_CACHE; else the folder moebench in XDG_CACHE_HOME; else in ~/.cache."""
    if named := os.environ.get("MOEBENCH_CACHE"):
        return Path(named).expanduser().absolute()
    around = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(around) if os.path.isabs(around) else Path.home() / ".cache") / "moebench"


class Writer:
    """A data set on its way to the disk: images are appended, training split first."""

    def __init__(self, folder: Path, counts: Mapping[str, int], kind: Format, say: Say) -> None:
        """Open the files.

        Args:
            folder: an empty one.
            counts: images of each split.
            kind: what the images are.
            say: told how far it is, and how long it will take.

        Raises:
            BadInput: the disk has no room for them.
        """
        self._folder, self._kind, self._say = folder, kind, say
        self._total, self._done = sum(counts.values()), 0
        self._histogram = np.zeros((kind.channels, 256), np.int64)
        self._began = self._said = time.monotonic()
        shape = (kind.image_size, kind.image_size, kind.channels)
        needed, free = self._total * int(np.prod(shape)), shutil.disk_usage(folder).free
        if needed > free:
            raise BadInput(
                f"{self._total:,} images of {kind.image_size} pixels take {needed / 1e9:.1f} GB, and {folder.parent} "
                f"has {free / 1e9:.1f} GB free: set MOEBENCH_CACHE to a folder with room.",
                key="data",
            )
        self._images = {name: self._opened(f"{name}-images", (counts[name], *shape), np.uint8) for name in SPLITS}
        self._labels = {name: self._opened(f"{name}-labels", (counts[name],), np.int32) for name in SPLITS}

    def _opened(self, name: str, shape: tuple[int, ...], kind: type) -> IO[bytes]:
        file = (self._folder / f"{name}.npy").open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        return file

    def add(
        self,
        split: str,
        images: UInt8[np.ndarray, "image height width channel"],
        labels: Int64[np.ndarray, "image"],
    ) -> None:
        """Append images to a split."""
        # Written, and not stored through a mapped file: a full disk is then an error and not a signal that kills.
        self._images[split].write(images.tobytes())
        self._labels[split].write(labels.astype(np.int32).tobytes())
        if split == "train":
            for channel, histogram in enumerate(self._histogram):
                histogram += np.bincount(images[..., channel].ravel(), minlength=256)
        self._done += len(images)
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY_S:
            self._said = now
            rate = self._done / (now - self._began)
            left = (self._total - self._done) / rate
            self._say(f"{self._done:,} of {self._total:,} images, {rate:,.0f} a second, about {left:.0f} s left")

    def finish(self) -> None:
        """Flush everything to the disk, and write what the images are beside them."""
        values = np.arange(256)
        mean = self._histogram @ values / np.maximum(self._histogram.sum(1), 1)
        square = self._histogram @ values**2 / np.maximum(self._histogram.sum(1), 1)
        about = {
            "classes": self._kind.classes,
            "mean": mean.tolist(),
            "std": np.sqrt(square - mean**2).tolist(),
        }
        for file in (*self._images.values(), *self._labels.values()):
            file.flush()
            os.fsync(file.fileno())
        (self._folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        seconds = time.monotonic() - self._began
        self._say(f"{self._done:,} images in {seconds:.1f} s, {self._done / seconds:,.0f} a second")

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in (*self._images.values(), *self._labels.values()):
            with contextlib.suppress(OSError):  # what a full disk did not take; it has been said already
                file.close()


def kept(name: str, key: str, make: Callable[[Path], None], say: Say) -> Dataset:
    """The data set that is kept under the key, made first if there is none.

    Args:
        name: what it will be called.
        key: the same for the same images, and for no others; a file name.
        make: fills an empty folder, with a `Writer`.
        say: takes a line for whoever waits.

    Raises:
        BadInput: the cache folder cannot be written to.
    """
    folder = cache_folder() / key
    found = _opened(name, folder)
    if found is not None:
        return found
    try:
        with _alone(folder, say):
            found = _opened(name, folder)  # another process may have made it meanwhile
            if found is not None:
                return found
            _make(folder, make)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise BadInput(
            f"cannot keep images in {folder.parent}: {why}; MOEBENCH_CACHE names another folder.", key="data"
        ) from error
    found = _opened(name, folder)
    assert found is not None
    return found


def is_kept(key: str) -> bool:
    """Whether images are kept under the key."""
    return (cache_folder() / key).is_dir()


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    for old in (folder, *folder.parent.glob(f".{folder.name}.*.tmp")):  # damaged, or left by a process that died
        shutil.rmtree(old, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex[:12]}.tmp")
    temporary.mkdir()
    try:
        make(temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock, which the kernel takes back should this process be killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(name: str, folder: Path) -> Dataset | None:
    """The data set in a folder; None where there is none, or not the whole of it."""
    try:
        about: dict[str, Any] = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        scaling = {"mean": tuple(about["mean"]), "std": tuple(about["std"])}
        train, test = (
            Split(
                Pixels(_mapped(folder / f"{split}-images.npy"), **scaling),
                np.array(_mapped(folder / f"{split}-labels.npy")),
            )
            for split in SPLITS
        )
        return Dataset(name, about["classes"], train, test)
    except (OSError, ValueError, LookupError):
        return None


def _mapped(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return array
