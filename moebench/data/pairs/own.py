"""The user's image-text pairs, decoded once and cached, with a tokenizer trained on their captions."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from moebench.data.cache import read_record, write_record
from moebench.data.dataset import Pixels, Split
from moebench.data.pairs import byte_pairs, captions
from moebench.data.pairs.byte_pairs import VOCABULARY, BytePairTokenizer
from moebench.data.pairs.caption_folder import CaptionFolder
from moebench.data.pairs.caption_table import CaptionTable
from moebench.data.pairs.captions import CaptionedListing, CaptionedPart
from moebench.data.pairs.pairs import CaptionedImages, PairData, PairFormat
from moebench.data.pairs.tokenizer import LENGTH, Tokenizer
from moebench.data.regular_files import shown
from moebench.data.source import Say
from moebench.data.user import detect
from moebench.data.user.named_splits import NamedSplits
from moebench.data.user.reader import Collection
from moebench.data.user.source import Own
from moebench.data.user.splits import SPLITS, Listing
from moebench.data.user.table import Table
from moebench.errors import BadInput
from moebench.spec.cell_spec import HUB, Augment
from moebench.spec.data_splits import parse_splits

TOKENIZING = 1
"""Version of the training of tokenizers, part of the cache key."""
READABLE = (
    "a folder with captions.csv or captions.jsonl, or Parquet files or what save_to_disk wrote with the columns image "
    "and caption"
)


class _Stored(BaseModel):
    """A tokenizer as stored in the cache."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    tokenizer: str


class OwnPairs:
    """Image-text pairs of a folder, tables, the Hugging Face hub, or several as splits."""

    augment: Augment = "none"

    def __init__(self, place: str) -> None:
        """Name a place, without reading it.

        Args:
            place: a path, hf: and a name, or splits as `train=PLACE,test=PLACE`.
        """
        self._images = Own(place, read_captioned)

    @property
    def name(self) -> str:
        """The place, with an absolute path."""
        return self._images.name

    def describe(self) -> str:
        """Describe the pairs and what is left out, each in one line."""
        listing, counts = self._listing, self._listing.counts()
        contents = {
            split: f"{counts[split]:,} images with {sum(map(len, self._captions_of(split))):,} captions"
            for split in ("train", "test")
        }
        first = f"Image-text pairs of your own, {contents['train']} for training and {contents['test']} for testing."
        return "\n".join([first, *listing.notes])

    def format(self, image_size: int | None) -> PairFormat:
        """Return the properties that determine the shape of both towers.

        The number of ids is equal for all captions. The first call reads every image once, unless the cache knows the
        files already.

        Raises:
            BadInput: an image cannot be read; or the images are not squares of one size, and `image_size` is None.
        """
        found = self._images.format(image_size)
        return PairFormat(found.image_size, found.channels, VOCABULARY, LENGTH)

    def identity(self) -> str:
        """Return a digest of images, captions and splits, equal for copies in other places."""
        texts = json.dumps([self._images.identity(), *self._listing.captions]).encode()
        return hashlib.blake2b(texts, digest_size=16).hexdigest()

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are decoded already."""
        return self._images.is_ready(image_size)

    def load(self, image_size: int | None, say: Say) -> PairData:
        """Load the images and the tokenizer from the cache, or make them.

        The images are decoded and the tokenizer is trained if the cache lacks them.

        Args:
            image_size: side in pixels; None takes the images' own size.
            say: receives progress and warnings, line by line.

        Raises:
            BadInput: an image is broken, the cache folder cannot be written to, or a package is missing.
        """
        found = self._images.load(image_size, say)
        train = _captioned(found.train, self._captions_of("train"))
        test = _captioned(found.test, self._captions_of("test"))
        return PairData(self.name, train, test, self._tokenizer(train.captions), notes=found.notes)

    def _tokenizer(self, texts: Sequence[str]) -> Tokenizer:
        digest = hashlib.blake2b(json.dumps(texts).encode(), digest_size=16).hexdigest()
        key = f"tokenizer-{digest}-v{TOKENIZING}"
        stored = read_record(key, _Stored)
        if stored is None:
            stored = _Stored(tokenizer=byte_pairs.train(texts))
            write_record(key, stored)
        return BytePairTokenizer(stored.tokenizer)

    def _captions_of(self, split: str) -> list[tuple[str, ...]]:
        chosen = self._listing.splits == SPLITS.index(split)
        return [each for each, is_chosen in zip(self._listing.captions, chosen, strict=True) if is_chosen]

    @property
    def _listing(self) -> CaptionedListing:
        listing = self._images.listing
        assert isinstance(listing, CaptionedListing)
        return listing


def read_captioned(name: str) -> tuple[Collection, Listing]:
    """Return the collection of a place, and its images that have captions.

    Raises:
        BadInput: the place cannot be read, or has no pairs for training and testing.
    """
    splits = parse_splits(name)
    found = collection(name) if splits is None else NamedSplits(name, splits, collection)
    parts = {role: part for role, part in found.parts().items() if isinstance(part, CaptionedPart)}
    use = captions.choose if splits is None else captions.join
    return found, use(found.where, parts, found.notes())


def collection(name: str) -> Collection:
    """Return a reader for a place with image-text pairs.

    Raises:
        BadInput: there is no such place, or it has no captions.
    """
    if not name.startswith(HUB) and Path(name).is_dir() and CaptionFolder.is_there(Path(name)):
        return CaptionFolder(Path(name))
    found = detect.collection(name)
    if not isinstance(found, Table):
        texts = [file for file in sorted(Path(name).glob("*")) if file.suffix in (".csv", ".jsonl")]
        hint = f"rename {shown(texts[0].name)} to captions{texts[0].suffix}" if texts else f"give {READABLE}"
        raise BadInput(f"{found.where} has no captions: {hint}.", key="data")
    return CaptionTable(found)


def _captioned(split: Split, found: Sequence[tuple[str, ...]]) -> CaptionedImages:
    assert isinstance(split.images, Pixels)
    texts = [text for each in found for text in each]
    return CaptionedImages(split.images, texts, np.cumsum([0, *map(len, found)]))
