"""The user's own images as a data set: decoded once, and cached for all processes."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
import PIL

from moebench.data.cache import is_kept, kept, read_record, write_record
from moebench.data.dataset import Dataset, Format
from moebench.data.set_files import Writer
from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.data.user import detect
from moebench.data.user.decode import decode, quiet
from moebench.data.user.named_splits import NamedSplits
from moebench.data.user.reader import Collection, Raw
from moebench.data.user.scan import SCANNING, Scan, scan
from moebench.data.user.splits import SPLITS, Listing, choose, join
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment, absolute_place
from moebench.spec.data_splits import parse_splits

DECODING = 3
"""Version of the decoding, part of the cache key: raised with every change of the decoding."""
_BATCH = 64
"""Images that a thread decodes at a time."""


def labelled(name: str) -> tuple[Collection, Listing]:
    """Return the collection of a place, and its images that have labels.

    Raises:
        BadInput: the place cannot be read, or has no images with labels for training and testing.
    """
    splits = parse_splits(name)
    found = detect.collection(name) if splits is None else NamedSplits(name, splits)
    parts = found.parts()
    use = choose if splits is None else join
    return found, use(found.where, parts, found.notes())


class Own:
    """Images of a folder, a file, the Hugging Face hub, or several as splits."""

    augment: Augment = "crop-flip"

    def __init__(self, place: str, read: Callable[[str], tuple[Collection, Listing]] = labelled) -> None:
        """Name a place, without reading it.

        Args:
            place: a path, hf: and a name, or splits as `train=PLACE,test=PLACE`.
            read: lists the images of a place that are used, by default all that have labels.
        """
        self.name = absolute_place(place)
        self._read = read

    def describe(self) -> str:
        """Describe classes, images and what is left out, each in one line."""
        listing = self.listing
        counts = listing.counts()
        validation = f", {counts['validation']:,} for validation" if "validation" in counts else ""
        return "\n".join(
            [
                f"Images of your own, {len(listing.classes):,} classes, {counts['train']:,} images for training and "
                f"{counts['test']:,} for testing{validation}.",
                *listing.notes,
            ]
        )

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images; colour if any image has colour.

        The first call reads every image once, unless the cache knows the files already.

        Raises:
            BadInput: an image cannot be read; or the images are not squares of one size, and `image_size` is None.
        """
        return self._format(image_size, partial(print, flush=True))

    def identity(self) -> str:
        """Return a digest of images, labels and splits, equal for copies in other places."""
        return self._scan(partial(print, flush=True)).digest

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are decoded already."""
        return is_kept(self._key(self.format(image_size)))

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images from the cache, or decode them now.

        Args:
            image_size: side in pixels; None takes the images' own size.
            say: receives progress and warnings, line by line.

        Raises:
            BadInput: an image is broken, or the cache folder cannot be written to.
        """
        kind, listing = self._format(image_size, say), self.listing

        def make(folder: Path) -> None:
            say(f"decoding {self.name} to {kind.image_size} pixels, once for this machine")
            with quiet(), Writer(folder, listing.counts(), kind, say, listing.classes) as writer:
                self._decode(writer, kind)
                writer.finish()

        found = kept(self.name, self._key(kind), make, say)
        notes = (*listing.notes, *self._scan(say).notes, *found.notes)
        for note in notes:
            say(note)
        return replace(found, notes=notes)

    def _decode(self, writer: Writer, kind: Format) -> None:
        listing, levels = self.listing, self._scan(print).levels

        def decoded(raws: list[Raw]) -> np.ndarray:
            return np.stack([decode(raw.name, raw.content(), kind.image_size, kind.channels, levels) for raw in raws])

        start = 0
        for images in mapped(decoded, _batches(listing.raw())):
            rows = slice(start, start + len(images))
            labels, splits = listing.labels[rows], listing.splits[rows]
            for place, split in enumerate(SPLITS):
                chosen = splits == place
                if chosen.any():
                    writer.add(split, images[chosen], labels[chosen])
            start += len(images)

    def _format(self, image_size: int | None, say: Say) -> Format:
        found, classes = self._scan(say), len(self.listing.classes)
        if image_size is not None:
            return Format(image_size, found.channels, classes)
        shapes = list(dict.fromkeys((found.smallest, found.largest)))
        if len(shapes) > 1 or shapes[0][0] != shapes[0][1]:
            shown = " and ".join(f"{width} × {height}" for width, height in shapes)
            raise BadInput(
                f"the images of {self.name} are not squares of one size ({shown}): give image_size, such as 64.",
                key="image_size",
            )
        return Format(shapes[0][0], found.channels, classes)

    @property
    def listing(self) -> Listing:
        """The used images."""
        return self._places[1]

    @cached_property
    def _places(self) -> tuple[Collection, Listing]:
        return self._read(self.name)

    def _scan(self, say: Say) -> Scan:
        """Return facts about the images.

        Every image is read once, unless a record in the cache fits the files.
        """
        if self._scanned is None:
            collection, listing = self._places
            stamp = hashlib.blake2b(collection.stamp().encode(), digest_size=16).hexdigest()
            key = f"scan-{stamp}-v{SCANNING}"
            self._scanned = read_record(key, Scan)
            if self._scanned is None:
                self._scanned = scan(collection, listing, say)
                write_record(key, self._scanned)
        return self._scanned

    _scanned: Scan | None = None

    def _key(self, kind: Format) -> str:
        digest = self._scan(print).digest
        # Decoders of two versions of Pillow may differ in a pixel's last bit.
        return f"own-{digest}-{kind.image_size}px-{kind.channels}-v{DECODING}-pillow{PIL.__version__}"


def _batches(raws: Iterator[Raw]) -> Iterator[list[Raw]]:
    while batch := list(islice(raws, _BATCH)):
        yield batch
