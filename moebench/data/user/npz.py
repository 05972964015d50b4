"""Read NumPy's .npz files: arrays of images and labels under usual names.

Sizes are read from the arrays' headers before the content, and images are read in parts.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import prod
from pathlib import Path
from zipfile import BadZipFile, ZipExtFile, ZipFile

import numpy as np

from moebench.data.regular_files import first_line, open_regular, shown, why
from moebench.data.user.file_tree import chunks, stamp
from moebench.data.user.labels import LabelReader
from moebench.data.user.reader import MOST_IMAGE_BYTES, MOST_IMAGES, Part, Raw, Uniform
from moebench.errors import BadInput

LAYOUTS = (
    {"": ("images", "labels")},
    {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
)
"""By split, the names of the arrays of images and labels. The validation split may be missing."""
_MOST_LABEL_BYTES = 128 << 20
_PART_BYTES = 1 << 20
_DAMAGE = (
    *(
        BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        ValueError,
        LookupError,
        OverflowError,
        MemoryError,
        RuntimeError,
    ),
)
"""Exceptions that zipfile and NumPy raise for damaged files."""
_ENCRYPTED = 1
"""Bit of the flags of an encrypted member of a zip file."""


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    kind: np.dtype
    fortran: bool

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.kind.itemsize

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.kind.itemsize


class ArrayFile:
    """`images` and `labels`; or `x_train`, `y_train`, `x_test`, `y_test`; or `train_images`, … `test_labels`.

    Beside splits there may be `x_val` and `y_val`, or `val_images` and `val_labels`. Images are bytes:
    [image, height, width] or [image, height, width, channel] with one or three channels.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, shown(path)

    def parts(self) -> Mapping[str, Part]:
        """Read the labels, and check the headers of the images.

        Raises:
            BadInput: the file is damaged, or has no such arrays.
        """
        return {split: self._part(split) for split in self._layout}

    def stamp(self) -> str:
        """Return a digest of the file's size and times."""
        return stamp(self.where, [self.path])

    def notes(self) -> Sequence[str]:
        """Return a sentence on arrays that are left out."""
        used = set(chain.from_iterable(self._layout.values()))
        rest = [shown(name) for name in self._names if name not in used]
        return [f"left out: the arrays {', '.join(rest)} of {self.where}."] if rest else []

    def uniform(self) -> Uniform | None:
        """Return the shape of the images if all splits have the same."""
        shapes = {self._images(split).shape[1:] for split in self._layout}
        if len(shapes) > 1:
            return None
        height, width, *channels = shapes.pop()
        return Uniform(height, width, channels[0] if channels else 1)

    def content(self) -> Iterable[bytes]:
        """Yield the content of the file."""
        return chunks(self.path)

    @cached_property
    def _names(self) -> list[str]:
        with self._archive() as archive:
            return sorted(name.removesuffix(".npy") for name in archive.namelist())

    @cached_property
    def _layout(self) -> dict[str, tuple[str, str]]:
        for layout in LAYOUTS:
            found = {split: names for split, names in layout.items() if set(names) <= set(self._names)}
            if found.keys() >= layout.keys() - {"validation"}:
                return found
        raise BadInput(
            f"{self.where} has the arrays {', '.join(map(shown, self._names)) or 'none'}: name them "
            f"{_joined(LAYOUTS[0])}, or {_joined(LAYOUTS[1])}.",
            key="data",
        )

    def _part(self, split: str) -> Part:
        where = f"{self.where} ({split})" if split else self.where
        images_name, labels_name = self._layout[split]
        images = self._images(split)
        array = self._labels(labels_name)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1 or len(array) != images.shape[0]:
            raise BadInput(
                f"'{images_name}' of {self.where} has {images.shape[0]} images and labels of shape "
                f"{list(array.shape)}: one label is needed for each image.",
                key="data",
            )
        values, places = np.unique(array, return_inverse=True)
        reader = LabelReader(f"'{labels_name}' of {self.where}")
        names = reader.read(values.tolist())
        labels = [names[place] for place in places.tolist()]
        return Part(
            where, labels, lambda: self._raw(images_name, images), numbers="bare" if reader.has_bare_numbers else ""
        )

    def _images(self, split: str) -> _Header:
        """Check the header of the images of a split and return it."""
        name = self._layout[split][0]
        header = self._header(name)
        shape = header.shape
        if header.kind != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
            raise BadInput(
                f"'{name}' of {self.where} is {header.kind}{list(shape)}: images are uint8[image, height, width] or "
                "uint8[image, height, width, 1 or 3].",
                key="data",
            )
        if not 0 < prod(shape[1:]) <= MOST_IMAGE_BYTES or shape[0] > MOST_IMAGES:
            raise BadInput(
                f"'{name}' of {self.where} has {shape[0]:,} images of {shape[1]:,} × {shape[2]:,} pixels: up to "
                f"{MOST_IMAGES:,} images of up to {MOST_IMAGE_BYTES:,} bytes are read.",
                key="data",
            )
        size = self.path.stat().st_size
        if shape[0] > size:
            raise BadInput(
                f"'{name}' of {self.where} has {shape[0]:,} images, more than the {size:,} bytes of the file.",
                key="data",
            )
        if header.fortran and header.bytes > MOST_IMAGE_BYTES:
            raise BadInput(
                f"'{name}' of {self.where} is stored in Fortran's order: save np.ascontiguousarray of the images.",
                key="data",
            )
        return header

    def _header(self, name: str) -> _Header:
        with self._archive() as archive, self._member(archive, name) as (_, header):
            return header

    def _labels(self, name: str) -> np.ndarray:
        with self._archive() as archive, self._member(archive, name) as (content, header):
            if header.bytes > _MOST_LABEL_BYTES:
                raise BadInput(
                    f"'{name}' of {self.where} has {header.bytes:,} bytes, and labels of up to "
                    f"{_MOST_LABEL_BYTES:,} bytes are read.",
                    key="data",
                )
            return self._array(content, header, header.shape)

    def _raw(self, name: str, header: _Header) -> Iterator[Raw]:
        count = header.shape[0]
        step = count if header.fortran else max(1, _PART_BYTES // header.row_bytes)
        with self._archive() as archive, self._member(archive, name) as (content, _):
            for start in range(0, count, step):
                shape = (min(step, count - start), *header.shape[1:])
                for number, pixels in enumerate(self._array(content, header, shape), start):
                    yield Raw(f"image {number} of '{name}' in {self.where}", pixels)

    def _array(self, content: ZipExtFile, header: _Header, shape: tuple[int, ...]) -> np.ndarray:
        """Read the next part of an array."""
        read = content.read(prod(shape) * header.kind.itemsize)
        return np.frombuffer(read, header.kind).reshape(shape, order="F" if header.fortran else "C")

    @contextmanager
    def _archive(self) -> Iterator[ZipFile]:
        try:
            with open_regular(self.path) as file, ZipFile(file) as archive:
                yield archive
        except BadInput:
            raise
        except OSError as error:
            raise BadInput(f"cannot read {self.where}: {why(error)}.", key="data") from error
        except _DAMAGE as error:
            raise BadInput(
                f"{self.where} is no file of NumPy arrays, or a damaged one ({first_line(error)}).", key="data"
            ) from error

    @contextmanager
    def _member(self, archive: ZipFile, name: str) -> Iterator[tuple[ZipExtFile, _Header]]:
        """Open an array; yield its content behind the header, and the header.

        The size that the header states fits the size of the member.
        """
        entry = archive.getinfo(f"{name}.npy")
        if entry.flag_bits & _ENCRYPTED:
            raise BadInput(f"{self.where} is encrypted: save it without a password.", key="data")
        with archive.open(entry) as content:
            assert isinstance(content, ZipExtFile)
            header = self._read_header(content)
            if header.kind.hasobject:
                raise BadInput(
                    f"{self.where} holds Python objects, which could run code and are not loaded.", key="data"
                )
            if min(header.shape, default=0) < 0 or content.tell() + header.bytes != entry.file_size:
                raise BadInput(
                    f"'{name}' of {self.where} is damaged: its header promises {header.bytes:,} bytes, and it has "
                    f"{entry.file_size - content.tell():,}.",
                    key="data",
                )
            yield content, header

    def _read_header(self, content: ZipExtFile) -> _Header:
        try:
            version = np.lib.format.read_magic(content)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, kind = read(content)
        except Exception as error:  # NumPy parses headers as Python, which raises nearly anything
            raise BadInput(
                f"'{content.name.removesuffix('.npy')}' of {self.where} is no NumPy array, or a damaged one.",
                key="data",
            ) from error
        return _Header(shape, kind, fortran)


def _joined(layout: Mapping[str, tuple[str, str]]) -> str:
    names = list(chain.from_iterable(names for split, names in layout.items() if split != "validation"))
    return f"{', '.join(names[:-1])} and {names[-1]}"
