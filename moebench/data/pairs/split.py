"""Image-text pairs as splits whose targets are captions.

Training handles the pairs like labelled images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64
from typing_extensions import override

from moebench.data.dataset import Dataset, Pixels, Split
from moebench.data.pairs.pairs import CaptionedImages, PairData
from moebench.data.pairs.tokenizer import Tokenizer


@dataclass(frozen=True)
class PairSplit(Split):
    """Images, or their embeddings, with one caption or several.

    Labels are the numbers of the images.
    """

    images: Float32[np.ndarray, "image ..."] | Pixels
    ids: Int32[np.ndarray, "caption token"]
    """Tokens of all captions, image by image."""
    offsets: Int64[np.ndarray, "image+1"]
    """Captions `offsets[i]` to `offsets[i + 1]` (exclusive) belong to image i."""
    cut: int = 0
    """Number of captions that were longer than the fixed length and lost their last tokens."""

    @override
    def targets(self, chosen: Int[np.ndarray, "chosen"], seed: Sequence[int]) -> Int32[np.ndarray, "chosen token"]:
        """Return the tokens of one caption of each chosen image, drawn from the seed."""
        first, end = self.offsets[chosen], self.offsets[chosen + 1]
        found: np.ndarray = self.ids[np.random.default_rng([*seed, 1]).integers(first, end)]
        return found

    @property
    def first_captions(self) -> Int32[np.ndarray, "image token"]:
        """Tokens of the first caption of each image."""
        found: np.ndarray = self.ids[self.offsets[:-1]]
        return found

    @override
    def subset(self, rows: Int[np.ndarray, "chosen"]) -> "PairSplit":
        images = super().subset(rows).images
        chosen = [np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows]
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in chosen])])
        labels = np.arange(len(rows), dtype=np.int32)
        return replace(self, images=images, labels=labels, ids=self.ids[np.concatenate(chosen)], offsets=offsets)


def pair_dataset(pairs: PairData, length: int) -> Dataset:
    """Return the training and test pairs as a data set without classes.

    Args:
        pairs: images with their captions.
        length: tokens of every caption; longer captions are cut, and a note of the data set gives their number.
    """
    train, test = (encoded_split(each, pairs.tokenizer, length) for each in (pairs.train, pairs.test))
    notes, cut, count = pairs.notes, train.cut + test.cut, len(train.ids) + len(test.ids)
    if cut:
        notes += (
            f"{cut:,} of {count:,} captions have more than text_length={length} tokens and lose their last ones.",
        )
    return Dataset(pairs.name, classes=0, train=train, test=test, notes=notes)


def encoded_split(captioned: CaptionedImages, tokenizer: Tokenizer, length: int) -> PairSplit:
    """Return images with the tokens of their captions.

    Args:
        captioned: images with their captions.
        tokenizer: turns captions into tokens.
        length: tokens of every caption.
    """
    encoded = tokenizer.encode(captioned.captions, length)
    labels = np.arange(len(captioned), dtype=np.int32)
    return PairSplit(captioned.images, labels, encoded.ids, captioned.offsets, encoded.cut)
