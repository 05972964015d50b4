"""NumPy's .npz: arrays of images and labels under names that are in use."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np

from moebench.data.user.reader import Listing, Raw, identity_of, listed
from moebench.errors import BadInput

WHOLE = ("images", "labels")
SPLIT = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)


class ArrayFile:
    """`images` and `labels`; or `x_train`, `y_train`, `x_test`, `y_test`; or `train_images`, … `test_labels`.

    Images are bytes, [image, height, width] or [image, height, width, channel] with one or three channels.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def listing(self) -> Listing:
        """The labels."""
        _, labels = self._arrays
        names = [str(label) for part in labels for label in part.tolist()]
        test = [False] * len(labels[0]) + [True] * len(labels[1]) if len(labels) == 2 else None
        return listed(str(self.path), names, test, identity_of([self.path], self.path.parent))

    def raw(self) -> Iterator[Raw]:
        """The pixels."""
        images, _ = self._arrays
        for number, pixels in enumerate(chain.from_iterable(images)):
            yield Raw(f"image {number} of {self.path}", pixels)

    def some(self, count: int) -> Iterator[Raw]:
        """The first."""
        return islice(self.raw(), count)

    @cached_property
    def _arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Images and labels, of one part or of two."""
        if not is_zipfile(self.path):  # of anything else NumPy would say that it is a pickle
            raise BadInput(f"{self.path} is no file of NumPy arrays.", key="data")
        try:
            with np.load(self.path, allow_pickle=False) as file:
                names = next((names for names in (*SPLIT, WHOLE) if set(names) <= set(file.files)), None)
                if names is None:
                    raise BadInput(
                        f"{self.path} has the arrays {', '.join(sorted(file.files)) or 'none'}: name them "
                        f"{_joined(WHOLE)}, or {_joined(SPLIT[0])}.",
                        key="data",
                    )
                arrays = [file[name] for name in names]
        except BadInput:
            raise
        except (OSError, ValueError, BadZipFile, EOFError) as error:
            if "allow_pickle" in str(error):
                why = "holds Python objects, which could run code and are not loaded"
            else:
                why = f"is no file of NumPy arrays ({error})"
            raise BadInput(f"{self.path} {why}.", key="data") from error
        images, labels = arrays[::2], [_labels(array) for array in arrays[1::2]]
        for name, part, own in zip(names[::2], images, labels, strict=True):
            self._check(name, part, own)
        return images, labels

    def _check(self, name: str, images: Any, labels: Any) -> None:
        with_channels = images.ndim == 4 and images.shape[3] in (1, 3)
        if images.dtype != np.uint8 or not (images.ndim == 3 or with_channels):
            raise BadInput(
                f"'{name}' of {self.path} is {images.dtype}{list(images.shape)}: images are "
                "uint8[image, height, width] or uint8[image, height, width, 1 or 3].",
                key="data",
            )
        if labels.ndim != 1 or len(labels) != len(images):
            raise BadInput(
                f"'{name}' of {self.path} has {len(images)} images and labels of shape {list(labels.shape)}: one is "
                "needed for each.",
                key="data",
            )


def _labels(array: np.ndarray) -> np.ndarray:
    """Labels that are a column are a list all the same."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _joined(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
