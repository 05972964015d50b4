"""Image folders: a folder for each class, with or without train and test around them."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from moebench.data.user.reader import TRAIN_NAMES, Listing, Raw, identity_of, listed, splits_among
from moebench.errors import BadInput

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


class ImageFolder:
    """ROOT/CLASS/…/IMAGE, or the same below ROOT/train and ROOT/test, or what else splits are called."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def listing(self) -> Listing:
        """Every file with an image's suffix."""
        files, names, test = self._files
        return listed(str(self.root), names, test, identity_of(files, self.root))

    def raw(self) -> Iterator[Raw]:
        """The files, whole."""
        return map(_read, self._files[0])

    def some(self, count: int) -> Iterator[Raw]:
        """At even distances, so that they are of several classes."""
        files = self._files[0]
        return map(_read, files[:: max(1, len(files) // count)][:count])

    @cached_property
    def _files(self) -> tuple[list[Path], list[str], list[bool] | None]:
        """The images, their classes, and which are for testing."""
        folders = _folders(self.root)
        splits = splits_among(folders)
        if splits is None:
            alone = len(folders) == 1 and folders[0].lower() in TRAIN_NAMES
            found = list(_images(self.root / folders[0] if alone else self.root))
            return [file for file, _ in found], [name for _, name in found], None
        train, test = (list(_images(self.root / name)) for name in splits)
        files, names = [file for file, _ in train + test], [name for _, name in train + test]
        return files, names, [False] * len(train) + [True] * len(test)


def _images(top: Path) -> Iterator[tuple[Path, str]]:
    """The images below a folder of classes, each with its class."""
    classes = _folders(top)
    if not classes:
        raise BadInput(
            f"{top} has no folders of classes: put the images of each class into a folder of its own, such as "
            f"{top / 'cat' / '1.png'}.",
            key="data",
        )
    for name in classes:
        empty = True
        for folder, inner, files in os.walk(top / name):
            inner.sort()
            for file in sorted(files):
                if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                    empty = False
                    yield Path(folder, file), name
        if empty:
            raise BadInput(f"{top / name} is the folder of a class and has no image.", key="data")


def _folders(top: Path) -> list[str]:
    try:
        with os.scandir(top) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith((".", "_")))
    except OSError as error:
        raise BadInput(f"cannot read the folder {top}: {error.strerror}.", key="data") from error


def _read(file: Path) -> Raw:
    try:
        return Raw(str(file), file.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read the image {file}: {error.strerror}.", key="data") from error
