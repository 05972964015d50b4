"""The user's images as they lie on disk, before they are decoded: what they are, and one after the other."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int

from moebench.data.holdout import held_out
from moebench.errors import BadInput


@dataclass(frozen=True)
class Raw:
    """One image: a file's bytes, or the pixels themselves, and how it is called in a message."""

    name: str
    content: bytes | np.ndarray


@dataclass(frozen=True)
class Listing:
    """What is in a collection, in the order in which it gives its images."""

    classes: tuple[str, ...]
    labels: Int[np.ndarray, "image"]
    """Numbers of the classes."""
    test: Bool[np.ndarray, "image"]
    identity: str
    """Tells these images from others in the same place."""


@runtime_checkable
class Collection(Protocol):
    """One place with images."""

    def listing(self) -> Listing:
        """What is there, without decoding it.

        Raises:
            BadInput: it cannot be read, or is no data set.
        """

    def raw(self) -> Iterator[Raw]:
        """All images as they lie there, in the order of the listing.

        Raises:
            BadInput: one cannot be read.
        """

    def some(self, count: int) -> Iterator[Raw]:
        """At most so many of them, that are quick to come by."""


def listed(where: str, names: Sequence[str], test: Sequence[bool] | None, identity: str) -> Listing:
    """A listing from the class of each image by name, and whether it is for testing.

    Where the source does not say that, `test` is None, and a fifth of each class is held out. Classes are numbered in
    the order of their names, and those that are numbers in the order of the numbers.

    Raises:
        BadInput: too few classes, or a class with nothing to train on or nothing to test.
    """
    classes = sorted(set(names), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    if len(classes) < 2:
        held = f"one class, '{classes[0]}'" if classes else "no images"
        raise BadInput(f"{where} has {held}: a data set needs two classes or more.", key="data")
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[name] for name in names], np.int64)
    if test is None:
        for name, count in zip(classes, np.bincount(labels), strict=True):
            if count < 2:
                raise BadInput(
                    f"class '{name}' of {where} has 1 image, and needs 2: one to train on and one to test.", key="data"
                )
        return Listing(tuple(classes), labels, held_out(labels), identity)
    mask = np.array(test, bool)
    trained = np.bincount(labels[~mask], minlength=len(classes))
    if not trained.all():
        lacking = classes[int(trained.argmin())]
        raise BadInput(f"class '{lacking}' of {where} is tested and has no image to train on.", key="data")
    if not mask.any():
        raise BadInput(f"{where} has a split for testing without an image in it.", key="data")
    return Listing(tuple(classes), labels, mask, identity)


def identity_of(files: Iterable[Path], root: Path) -> str:
    """Of the files' names, sizes and times of change; to read them whole could take longer than a training.

    Raises:
        BadInput: a file is not there, though something says so.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            status = os.stat(file)
        except OSError as error:
            raise BadInput(f"cannot read {file}: {error.strerror}.", key="data") from error
        digest.update(f"{file.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]


TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation", "eval", "dev")
"""What splits may be called, in letters of any case; the first of them that is there is taken."""


def splits_among(found: Iterable[str]) -> tuple[str, str] | None:
    """The splits for training and for testing among these names; None where one of them is not there."""
    written = {name.lower(): name for name in found}
    known = (TRAIN_NAMES, TEST_NAMES)
    train, test = (next((written[name] for name in names if name in written), None) for names in known)
    return (train, test) if train and test else None
