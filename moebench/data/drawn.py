"""Draw the images of a data set once for a machine and cache them.

The cache's key is a digest of the code that drew the images.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moebench.code.digests import digest, package_digest
from moebench.data.cache import is_kept, kept
from moebench.data.dataset import Dataset, Format
from moebench.data.set_files import SplitName, Writer
from moebench.data.source import Say

Parts = Iterator[tuple[SplitName, np.ndarray, np.ndarray]]
"""Splits, images (uint8[image, height, width, channel]) and labels (int[image]), part by part."""


@dataclass(frozen=True)
class Drawing:
    """Images that code alone determines."""

    name: str
    """Canonical name of the data set."""
    kind: Format
    """Format of the cached images."""
    counts: Mapping[SplitName, int]
    """Images of each split."""
    package: str
    """Package whose modules draw the images; NumPy counts as well, because its generators differ between versions."""
    parts: Callable[[], Parts]

    @property
    def key(self) -> str:
        """Name of the images in the cache, which changes with the code that draws them."""
        return f"{self.name}-{self.kind.image_size}px-{digest([package_digest(self.package), np.__version__])}"

    def is_ready(self) -> bool:
        """Return whether the images are drawn already."""
        return is_kept(self.key)

    def load(self, say: Say) -> Dataset:
        """Return the images; draw them first if they are not cached.

        Args:
            say: receives progress and warnings, line by line.

        Raises:
            BadInput: the cache folder cannot be written to.
        """

        def make(folder: Path) -> None:
            say(f"drawing {self.name} at {self.kind.image_size} pixels, once for this machine")
            with Writer(folder, self.counts, self.kind, say) as writer:
                for split, images, labels in self.parts():
                    writer.add(split, images, labels)
                writer.finish()

        return kept(self.name, self.key, make, say)
