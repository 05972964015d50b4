"""Read the captions of images in a user's formats, and choose training and test pairs."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from moebench.data.holdout import SHARE, held_out
from moebench.data.user.file_tree import LeftOut
from moebench.data.user.labels import brief
from moebench.data.user.reader import Part
from moebench.data.user.splits import EVALUATION_NAMES, SPLITS, TRAIN_NAMES, Listing
from moebench.errors import BadInput

CAPTION_NAMES = ("caption", "captions", "text", "texts", "sentence", "sentences", "alt_text")
"""Names of a column of captions."""
MOST_TEST_IMAGES = 1000
"""Most images that are held out for testing: retrieval is usually measured among 1,000 images."""
_LEAST_IMAGES = 2


@dataclass(frozen=True)
class CaptionedPart(Part):
    """One split of a collection of image-text pairs.

    An image without a caption has no label either.
    """

    captions: Sequence[tuple[str, ...]] = ()
    """Captions of each image, in the order of the images; an empty tuple for an image without text."""


@dataclass(frozen=True)
class CaptionedListing(Listing):
    """The used images, all of one class, with their captions."""

    captions: Sequence[tuple[str, ...]] = field(default=(), repr=False)
    """Captions of each image, one or more."""


def captioned(part: Part, captions: Sequence[tuple[str, ...]]) -> CaptionedPart:
    """Return a part with captions, in which an image with captions has the label ""."""
    labels = ["" if each else None for each in captions]
    return CaptionedPart(part.where, labels, part.raw, part.unlabelled, captions=captions)


def texts(where: str, value: Any) -> list[str]:
    """Return the captions of one cell, without empty ones.

    White space counts as one space.

    Args:
        where: the cell, for messages.
        value: a text, a list of texts, or None.

    Raises:
        BadInput: the value is neither.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return []
    if isinstance(value, list | tuple):
        return [text for each in value for text in texts(where, each)]
    if not isinstance(value, str):
        raise BadInput(
            f"{where} has {brief(repr(value))} as caption: a caption is a text, or a list of texts.", key="data"
        )
    text = " ".join(unicodedata.normalize("NFC", value).split())
    return [text] if text else []


def distinct(where: str, captions: Sequence[str], left_out: LeftOut) -> tuple[str, ...]:
    """Return the captions of one image, each once.

    Args:
        where: the image, for messages.
        captions: all captions as stored.
        left_out: counts repeated captions.
    """
    found = tuple(dict.fromkeys(captions))
    if len(found) < len(captions):
        left_out.add("captions that repeat another one of their image", where, count=len(captions) - len(found))
    return found


def choose(where: str, parts: Mapping[str, CaptionedPart], notes: Sequence[str] = ()) -> CaptionedListing:
    """Choose training and test pairs among the parts of a collection.

    The test split is the first part among `EVALUATION_NAMES` that has captions. If there is only one part, a fifth of
    its images is held out for testing, at most `MOST_TEST_IMAGES`, evenly spaced in the order of the images.

    Args:
        where: the collection, for messages.
        parts: the parts by their names as stored.
        notes: sentences of the collection's reader.

    Raises:
        BadInput: the parts for training or testing are missing, or there are too few pairs.
    """
    written = {name.lower(): name for name in parts}
    train = next((written[name] for name in TRAIN_NAMES if name in written), next(iter(parts)))
    tests = [written[name] for name in EVALUATION_NAMES if name in written and written[name] != train]
    if len(parts) > 1 and (train.lower() not in TRAIN_NAMES or not tests):
        raise BadInput(
            f"{where} has the splits {', '.join(sorted(parts))}: moebench takes train, and test or validation; "
            f"data: {{place: {where}, train: …, test: …}} names others.",
            key="data",
        )
    roles = {"train": parts[train]}
    test = next((name for name in tests if any(label is not None for label in parts[name].labels)), None)
    if test is not None:
        roles["test"] = parts[test]
    elif tests:
        raise BadInput(f"no split of {where} can be tested on: {' and '.join(tests)} have no captions.", key="data")
    unused = sorted(set(parts) - {train, test})
    remarks = [f"left out: the split '{name}' with {len(parts[name].labels):,} images." for name in unused]
    return join(where, roles, [*notes, *remarks])


def join(where: str, roles: Mapping[str, CaptionedPart], notes: Sequence[str] = ()) -> CaptionedListing:
    """Join splits whose roles are known.

    Args:
        where: the collection, for messages.
        roles: parts by their role; "train" is among them, and a validation split is left out.
        notes: sentences that come first in the listing's notes.

    Raises:
        BadInput: no image has a caption, or there are too few images for training and testing.
    """
    remarks = [*notes]
    if "validation" in roles:
        remarks.append(f"left out: the validation split with {len(roles['validation'].labels):,} images.")
    used = {name: roles[name] for name in ("train", "test") if name in roles}
    for part in used.values():
        lacking = sum(not each for each in part.captions)
        if lacking:
            remarks.append(
                f"left out: {lacking:,} of {len(part.captions):,} images of {part.where}, which have no text."
            )
    captions = [[each for each in part.captions if each] for part in used.values()]
    for part, each in zip(used.values(), captions, strict=True):
        if len(each) < _LEAST_IMAGES:
            held = "no image" if not each else "1 image"
            raise BadInput(f"{part.where} has {held} with a caption, and needs {_LEAST_IMAGES} or more.", key="data")
    splits = np.repeat([SPLITS.index("test" if name == "test" else "train") for name in used], list(map(len, captions)))
    if "test" not in used:
        splits[_held_out(where, len(splits))] = SPLITS.index("test")
    labels = np.zeros(len(splits), np.int64)
    return CaptionedListing(("",), labels, splits, tuple(remarks), tuple(used.values()), list(chain(*captions)))


def _held_out(where: str, images: int) -> np.ndarray:
    count = min(max(round(SHARE * images), _LEAST_IMAGES), MOST_TEST_IMAGES)
    if images - count < _LEAST_IMAGES:
        raise BadInput(
            f"{where} has {images} images with captions, and needs {2 * _LEAST_IMAGES} or more to hold some out for "
            "testing.",
            key="data",
        )
    return held_out(np.zeros(images, np.int64), count)
