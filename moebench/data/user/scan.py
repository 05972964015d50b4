"""Read every image of a collection once: digest, sizes, channels and range of values."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pydantic import BaseModel, ConfigDict

from moebench.data.source import Say
from moebench.data.threads import mapped
from moebench.data.user.decode import Look, look, quiet
from moebench.data.user.reader import Collection, Raw
from moebench.data.user.splits import SPLITS, Listing

SCANNING = 1
"""Version of the scan, part of the cache key: raised with every change of what a scan reads or lists."""
_BATCH = 64
"""Images that a thread takes at a time."""
_SAY_EVERY_S = 5.0


class Scan(BaseModel):
    """Facts about a collection after every image was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    digest: str
    """Digest of the images, labels and splits: equal for copies at other paths, and for no other data."""
    channels: Literal[1, 3]
    """3 if any image has colour."""
    smallest: tuple[int, int]
    """Width and height, first in the order of these pairs."""
    largest: tuple[int, int]
    """Width and height, last in the order of these pairs."""
    levels: dict[str, tuple[float, float]]
    """For each depth with more than 8 bits, the smallest and the largest value of the training images."""
    notes: tuple[str, ...]
    """Sentences on decoding that a user may not expect."""


@dataclass
class _Seen:
    digest: bytes
    look: Look


def scan(collection: Collection, listing: Listing, say: Say) -> Scan:
    """Read every image of a listing.

    Args:
        collection: the place.
        listing: the images that are used.
        say: receives progress, if it takes long.

    Raises:
        BadInput: an image cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(listing.classes).encode())
    digest.update(listing.labels.astype("<i8").tobytes() + listing.splits.astype("<i8").tobytes())
    uniform = collection.uniform()
    if uniform is not None:
        for chunk in collection.content():
            digest.update(chunk)
        size = (uniform.width, uniform.height)
        channels: Literal[1, 3] = 1 if uniform.channels == 1 else 3
        return Scan(digest=digest.hexdigest(), channels=channels, smallest=size, largest=size, levels={}, notes=())
    with quiet():
        seen = list(_read(listing, say))
    for each in seen:
        digest.update(each.digest)
    looks = [each.look for each in seen]
    sizes = sorted({(each.width, each.height) for each in looks})
    train = (listing.splits == SPLITS.index("train")).tolist()
    levels = _levels(looks, train)
    trained = {each.digest for each, in_train in zip(seen, train, strict=True) if in_train}
    twice = sum(each.digest in trained for each, in_train in zip(seen, train, strict=True) if not in_train)
    return Scan(
        digest=digest.hexdigest(),
        channels=1 if all(each.channels == 1 for each in looks) else 3,
        smallest=sizes[0],
        largest=sizes[-1],
        levels=levels,
        notes=tuple(_notes(looks, levels, twice)),
    )


def _read(listing: Listing, say: Say) -> Iterator[_Seen]:
    total, began = len(listing.labels), time.monotonic()
    reported_at, done = began, 0
    for batch in mapped(lambda raws: [_see(raw) for raw in raws], _batches(listing.raw())):
        yield from batch
        done += len(batch)
        now = time.monotonic()
        if now - reported_at >= _SAY_EVERY_S:
            reported_at = now
            left = (total - done) * (now - began) / done
            say(f"reading the images: {done:,} of {total:,}, about {left:.0f} s left")


def _batches(raws: Iterator[Raw]) -> Iterator[list[Raw]]:
    while batch := list(islice(raws, _BATCH)):
        yield batch


def _see(raw: Raw) -> _Seen:
    content = raw.content()
    stored = content if isinstance(content, bytes) else content.tobytes()
    return _Seen(hashlib.blake2b(stored, digest_size=16).digest(), look(raw.name, content))


def _levels(looks: list[Look], train: list[bool]) -> dict[str, tuple[float, float]]:
    """Return the range of each depth over the training images.

    The range is over all images if no training image has the depth.
    """
    levels: dict[str, tuple[float, float]] = {}
    for depth in sorted({each.depth for each in looks} - {""}):
        of_depth = [(each, in_train) for each, in_train in zip(looks, train, strict=True) if each.depth == depth]
        extents = [each.extent for each, in_train in of_depth if in_train] or [each.extent for each, _ in of_depth]
        levels[depth] = (min(low for low, _ in extents), max(high for _, high in extents))
    return levels


def _notes(looks: list[Look], levels: dict[str, tuple[float, float]], twice: int) -> Iterator[str]:
    depths = Counter(each.depth for each in looks if each.depth)
    for depth, (low, high) in levels.items():
        yield (
            f"{depths[depth]:,} {depth} images: values from {low:g} to {high:g}, the range of the training images, are "
            "scaled to 0 to 255."
        )
    cut = sum(each.cut for each in looks)
    if cut:
        yield f"{cut:,} images with 16 bits a channel: the upper 8 bits of each channel are taken."
    transparent = sum(each.transparent for each in looks)
    if transparent:
        yield f"{transparent:,} images with transparency: transparent pixels become mid-grey."
    frames = sum(each.frames for each in looks)
    if frames:
        yield f"{frames:,} images with several frames: the first frame is taken."
    if twice:
        yield f"{twice:,} images for testing or validation are training images too, byte by byte."
