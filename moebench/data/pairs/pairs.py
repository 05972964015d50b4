"""Image-text pairs: images with captions, and the tests of a contrastive model.

Every string of a `PairData` is plain text. `PairData.tokenizer` converts texts to ids of one fixed length, so that
captions of every length use one compiled program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int32, Int64

from moebench.data.dataset import Pixels
from moebench.data.pairs.tokenizer import Tokenizer
from moebench.data.source import Say
from moebench.spec.cell_spec import Augment


@dataclass(frozen=True)
class CaptionedImages:
    """Images, each with one caption or several."""

    images: Pixels
    """Images as bytes; an index returns images scaled by the statistics of the training images."""
    captions: Sequence[str]
    """Captions of all images, image by image."""
    offsets: Int64[np.ndarray, "image+1"]
    """Captions `offsets[i]` to `offsets[i + 1]` (exclusive) belong to image i; every image has one or more."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of_image(self, image: int) -> Sequence[str]:
        """Return the captions of one image."""
        return self.captions[self.offsets[image] : self.offsets[image + 1]]

    @property
    def image_of_caption(self) -> Int64[np.ndarray, "caption"]:
        """Number of the image that each caption belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


@dataclass(frozen=True)
class ZeroShot:
    """Images of one object each, to be classified by prompts."""

    images: Pixels
    labels: Int32[np.ndarray, "image"]
    """Class of each image, as a place in `phrases`."""
    phrases: tuple[str, ...]
    """Phrase of each class, such as "red circle"."""
    seen: Bool[np.ndarray, "class"]
    """Whether a class occurs in training images and captions. All classes are candidates for every image, so that
    chance is one over the number of classes, for seen and for held-out classes alike."""
    templates: tuple[str, ...]
    """Prompts, each with one `{}` for the phrase of a class."""

    def prompts(self, label: int) -> list[str]:
        """Return the prompts of one class, one for each template."""
        return [template.format(self.phrases[label]) for template in self.templates]


@dataclass(frozen=True)
class Choices:
    """Images, each with a true and a false caption; chance is 1/2."""

    rows: Int64[np.ndarray, "choice"]
    """Row of each image in `PairData.test`."""
    true: Sequence[str]
    false: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class PairData:
    """Training pairs, test pairs for retrieval, and further tests.

    The further tests need captions that are known to be complete.
    """

    name: str
    train: CaptionedImages
    test: CaptionedImages
    tokenizer: Tokenizer
    zero_shot: ZeroShot | None = None
    """Single-object images of every combination of attributes; None for the user's own pairs."""
    binding: Choices | None = None
    """False captions with the colours of two objects exchanged; None for the user's own pairs."""
    relations: Choices | None = None
    """False captions with a relation reversed; None for the user's own pairs."""
    notes: tuple[str, ...] = ()
    """Sentences that a user should read: what was left out, cut or decoded in an unexpected way."""


@dataclass(frozen=True)
class PairFormat:
    """The properties of pairs that determine the shape of both towers."""

    image_size: int
    """Side of the square images in pixels."""
    channels: int
    """1 for grey images, 3 for colour."""
    vocabulary: int
    """Number of token ids."""
    length: int
    """Tokens of every text, padded with the end token."""


@runtime_checkable
class PairSource(Protocol):
    """One set of image-text pairs, as `moebench.data.source.Source` is one set of labelled images."""

    @property
    def name(self) -> str:
        """Canonical name of the pairs."""

    @property
    def augment(self) -> Augment:
        """Random changes of training images, unless the cell sets its own."""

    def describe(self) -> str:
        """Describe the pairs in one line, and what is left out in one line each."""

    def format(self, image_size: int | None) -> PairFormat:
        """Return the properties that determine the shape of both towers.

        No images are made or decoded.

        Args:
            image_size: side in pixels; None takes the data's own size.

        Raises:
            BadInput: images of that size cannot be made, or no pairs can be read.
        """

    def identity(self) -> str:
        """Return a digest of images, texts and splits; empty if moebench's code determines the content."""

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are made already."""

    def load(self, image_size: int | None, say: Say) -> PairData:
        """Load the pairs.

        Args:
            image_size: side in pixels; None takes the data's own size.
            say: receives progress and warnings, line by line.

        Raises:
            BadInput: the pairs cannot be read or cached.
        """
