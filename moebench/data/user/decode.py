"""From what lies on disk to a square image of bytes."""

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from moebench.data.user.reader import Raw
from moebench.errors import BadInput

_FAULTS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for a file that is broken, or whose header promises more pixels than memory should hold."""
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of grey images of 16 bits, as several versions of Pillow call them."""
_GREY = ("1", "L", "LA", *_SIXTEEN_BITS)


@dataclass(frozen=True)
class Look:
    """What can be told of an image before it is decoded."""

    width: int
    height: int
    channels: int


def look(raw: Raw) -> Look:
    """Size and channels: 1 if it is grey, else 3.

    Raises:
        BadInput: no image.
    """
    if isinstance(raw.content, np.ndarray):
        height, width, *channels = raw.content.shape
        return Look(width, height, channels[0] if channels else 1)
    with _opened(raw) as image:
        return Look(image.width, image.height, 1 if image.mode in _GREY else 3)


def decode(raw: Raw, size: int, channels: int) -> UInt8[np.ndarray, "size size channel"]:
    """The image, cut to the square in its middle and resized.

    Raises:
        BadInput: it is broken.
    """
    if isinstance(raw.content, np.ndarray):
        pixels = raw.content if raw.content.ndim == 3 else raw.content[..., None]
        if pixels.shape == (size, size, channels):
            return pixels
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        return _squared(image, size, channels)
    with _opened(raw) as image:
        try:
            # A JPEG is decoded at a half, a quarter or an eighth, as long as that leaves twice the size asked for.
            image.draft(None, (2 * size, 2 * size))
            return _squared(ImageOps.exif_transpose(image), size, channels)
        except _FAULTS as error:
            raise _broken(raw, error) from error


def _squared(image: Image.Image, size: int, channels: int) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:  # which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    converted = image.convert("RGB" if channels == 3 else "L")
    if converted.size != (size, size):
        converted = ImageOps.fit(converted, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(converted, np.uint8).reshape(size, size, channels)


def _opened(raw: Raw) -> Image.Image:
    assert isinstance(raw.content, bytes)
    try:
        image = Image.open(io.BytesIO(raw.content))
    except _FAULTS as error:
        raise _broken(raw, error) from error
    if image.mode == "F":
        raise BadInput(
            f"{raw.name} has floating-point pixels, whose range nothing tells: save it with 8 or 16 bits.", key="data"
        )
    return image


def _broken(raw: Raw, error: Exception) -> BadInput:
    why = "its bytes are none of an image" if isinstance(error, UnidentifiedImageError) else str(error)
    return BadInput(f"{raw.name} is broken: {why.rstrip('.')}.", key="data")
