"""CIFAR's binary files: rows of labels and 3 × 32 × 32 bytes, as cs.toronto.edu/~kriz/cifar.html describes them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from moebench.data.user.reader import Listing, Raw, identity_of, listed
from moebench.errors import BadInput

_PIXELS = 3 * 32 * 32
_TEN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_NAMES = {1: "batches.meta.txt", 2: "fine_label_names.txt"}


class Cifar:
    """The files of CIFAR-10 or of CIFAR-100, whose fine labels are taken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ten = (root / _TEN[0]).exists()
        self._labels = 1 if ten else 2
        """Bytes before the pixels; the last of them is the label."""
        self.train = [root / name for name in _TEN] if ten else [root / "train.bin"]
        self.test = root / ("test_batch.bin" if ten else "test.bin")

    @staticmethod
    def is_there(root: Path) -> bool:
        """Whether the folder holds such files."""
        return (root / _TEN[0]).exists() or all((root / name).exists() for name in ("train.bin", "test.bin"))

    def listing(self) -> Listing:
        """The labels of all rows."""
        rows = [self._rows(file) for file in (*self.train, self.test)]
        labels = np.concatenate([part[:, self._labels - 1] for part in rows])
        test = np.arange(len(labels)) >= len(labels) - len(rows[-1])
        names = self._named(labels)
        return listed(str(self.root), names, test.tolist(), identity_of((*self.train, self.test), self.root))

    def raw(self) -> Iterator[Raw]:
        """The pixels, which lie there channel by channel."""
        for file in (*self.train, self.test):
            for number, row in enumerate(self._rows(file)):
                yield Raw(f"image {number} of {file}", row[self._labels :].reshape(3, 32, 32).transpose(1, 2, 0))

    def some(self, count: int) -> Iterator[Raw]:
        """The first."""
        return islice(self.raw(), count)

    def _rows(self, file: Path) -> np.ndarray:
        width = self._labels + _PIXELS
        try:
            size = file.stat().st_size
            if not size or size % width:
                raise BadInput(
                    f"{file} has {size:,} bytes, which is no whole number of CIFAR's rows of {width:,}.", key="data"
                )
            return np.memmap(file, np.uint8, "r").view(np.ndarray).reshape(-1, width)
        except OSError as error:
            raise BadInput(f"cannot read {file}: {error.strerror}.", key="data") from error

    def _named(self, labels: np.ndarray) -> list[str]:
        path = self.root / _NAMES[self._labels]
        try:
            names = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError):  # they are only for reading
            names = []
        numbers = labels.tolist()
        return [names[number] for number in numbers] if max(numbers) < len(names) else list(map(str, numbers))
