"""Read CIFAR's binary files: rows of labels and 3 × 32 × 32 bytes (cs.toronto.edu/~kriz/cifar.html)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from moebench.data.regular_files import open_regular, read_regular, shown, why
from moebench.data.user.file_tree import chunks, stamp
from moebench.data.user.reader import Part, Raw, Uniform
from moebench.errors import BadInput

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE
_TEN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_NAMES = {1: "batches.meta.txt", 2: "fine_label_names.txt"}
_CLASSES = {1: 10, 2: 100}
_MOST_NAMES_BYTES = 1 << 16


class Cifar:
    """The files of CIFAR-10, or of CIFAR-100 with its fine labels."""

    def __init__(self, root: Path) -> None:
        self.root, self.where = root, shown(root)
        ten = (root / _TEN[0]).exists()
        self._label_bytes = 1 if ten else 2
        """Bytes before the pixels; the last of them is the label."""
        self._files = {
            "train": [root / name for name in _TEN] if ten else [root / "train.bin"],
            "test": [root / ("test_batch.bin" if ten else "test.bin")],
        }

    @staticmethod
    def is_there(root: Path) -> bool:
        """Return whether a folder contains such files."""
        return (root / _TEN[0]).exists() or all((root / name).exists() for name in ("train.bin", "test.bin"))

    def parts(self) -> Mapping[str, Part]:
        """Read the labels of all rows.

        Raises:
            BadInput: a file is missing or damaged.
        """
        labels = {name: np.concatenate([self._labels(file) for file in files]) for name, files in self._files.items()}
        names = self._names(int(max(numbers.max() for numbers in labels.values())))
        return {name: self._part(files, labels[name].tolist(), names) for name, files in self._files.items()}

    def stamp(self) -> str:
        """Return a digest of the sizes and times of the files."""
        return stamp(self.where, [file for files in self._files.values() for file in files])

    def notes(self) -> Sequence[str]:
        """Return nothing: no image is left out."""
        return ()

    def uniform(self) -> Uniform | None:
        """Return the shape of CIFAR's images."""
        return Uniform(_SIDE, _SIDE, 3)

    def content(self) -> Iterable[bytes]:
        """Yield the content of the files."""
        for file in (file for files in self._files.values() for file in files):
            yield from chunks(file)

    def _part(self, files: Sequence[Path], numbers: Sequence[int], names: Sequence[str]) -> Part:
        def raw() -> Iterator[Raw]:
            for file in files:
                for number, row in enumerate(self._rows(file)):
                    pixels = row[self._label_bytes :].reshape(3, _SIDE, _SIDE).transpose(1, 2, 0)
                    yield Raw(f"image {number} of {shown(file)}", pixels)

        labels = [names[number] if names else str(number) for number in numbers]
        return Part(shown(files[0].parent), labels, raw, numbers="named" if names else "bare")

    def _labels(self, file: Path) -> np.ndarray:
        labels = self._rows(file)[:, self._label_bytes - 1]
        classes = _CLASSES[self._label_bytes]
        if labels.max() >= classes:
            beyond = f"label {labels.max()} is beyond its {classes} classes"
            raise BadInput(f"{shown(file)} is damaged: {beyond}.", key="data")
        return labels

    def _rows(self, file: Path) -> np.ndarray:
        width = self._label_bytes + _PIXELS
        try:
            with open_regular(file) as opened:
                size = opened.seek(0, 2)
                if not size or size % width:
                    raise BadInput(
                        f"{shown(file)} has {size:,} bytes, which is no whole number of CIFAR's rows of {width:,}.",
                        key="data",
                    )
                return np.memmap(opened, np.uint8, "r").view(np.ndarray).reshape(-1, width)
        except OSError as error:
            raise BadInput(f"cannot read {shown(file)}: {why(error)}.", key="data") from error

    def _names(self, largest: int) -> list[str]:
        """Return the names of the classes, or none if no file names them all.

        Names are needed at least up to the largest label.
        """
        try:
            content = read_regular(self.root / _NAMES[self._label_bytes], _MOST_NAMES_BYTES)
            names = content.decode().split()
        except (OSError, UnicodeDecodeError):
            return []
        return names if len(set(names)) == len(names) > largest else []
