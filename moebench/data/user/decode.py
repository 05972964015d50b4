"""Decode images from files to square arrays of bytes."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from moebench.data.user.formats import FORMATS
from moebench.data.user.modes import Levels, depth, extent, flatten, is_cut_to_8_bits, is_grey, to_8_bits
from moebench.errors import BadInput

DECODED_AS = (
    "Images are turned as their EXIF orientation says, cut to the square in their middle and resized; transparent "
    "pixels become mid-grey, values of more than 8 bits are scaled by the range that the training images use, and of "
    "several frames the first is taken."
)
"""How images are decoded, in one sentence for users."""
MOST_PIXELS = 24 << 20
"""Largest image that is decoded: 25 million pixels are 100 MB, or twice that with transparency, in each of several
threads. A JPEG counts at the reduced size at which it is decoded."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation, the operation that turns the image upright."""


@dataclass(frozen=True)
class Look:
    """Properties of an image that are known before it is resized."""

    width: int
    height: int
    channels: int
    """1 if the image is grey, else 3."""
    depth: str = ""
    """Depth if it is more than 8 bits a pixel."""
    extent: tuple[float, float] = (0.0, 0.0)
    """Smallest and largest value of an image with such a depth."""
    transparent: bool = False
    """Whether the file has transparency."""
    frames: bool = False
    """Whether the file has several frames."""
    cut: bool = False
    """Whether Pillow keeps only the upper 8 of 16 bits."""


def look(name: str, content: bytes | np.ndarray) -> Look:
    """Return the properties of an image.

    The header alone is read if the image's depth is 8 bits.

    Args:
        name: name of the image in messages.
        content: the content of a file, or pixels.

    Raises:
        BadInput: the content is no image, or a broken one.
    """
    if isinstance(content, np.ndarray):
        height, width, *channels = content.shape
        return Look(width, height, channels[0] if channels else 1)
    with _reading(name), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        found = Look(
            image.width,
            image.height,
            1 if is_grey(image) else 3,
            transparent=image.has_transparency_data,
            # The further pictures of an MPO, a camera's JPEG, are previews and depth maps.
            frames=image.format != "MPO" and bool(getattr(image, "is_animated", False)),
            cut=is_cut_to_8_bits(image),
        )
        if not depth(image):
            return found
        _check_size(name, image)
        return Look(found.width, found.height, 1, depth(image), extent(name, image), found.transparent, found.frames)


def decode(
    name: str, content: bytes | np.ndarray, size: int, channels: int, levels: Levels
) -> UInt8[np.ndarray, "size size channel"]:
    """Return an image, turned upright, cut to the square in its middle and resized.

    Args:
        name: name of the image in messages.
        content: the content of a file, or pixels.
        size: side in pixels.
        channels: 1 for grey, 3 for colour.
        levels: range of values of images with more than 8 bits a pixel.

    Raises:
        BadInput: the image is broken, or has more than `MOST_PIXELS`.
    """
    if isinstance(content, np.ndarray):
        pixels = content if content.ndim == 3 else content[..., None]
        if pixels.shape == (size, size, channels):
            return pixels
        return _square(Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]), size, channels)
    with _reading(name), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        # A JPEG is decoded at a half, a quarter or an eighth, as long as that leaves twice the size that is needed.
        image.draft(None, (2 * size, 2 * size))
        _check_size(name, image)
        image.load()
        return _square(_upright(to_8_bits(name, image, levels), image), size, channels)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings for all threads while the block lasts.

    Pillow warns of damaged metadata, for example.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except BadInput:
        raise
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is broken: its bytes are none of an image.", key="data") from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"{name} has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels.", key="data") from error
    except Exception as error:  # Pillow raises nearly anything for a broken file
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadInput(f"{name} is broken: {why}.", key="data") from error


def _check_size(name: str, image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise BadInput(
            f"{name} has {image.width:,} × {image.height:,} pixels, and images of up to {MOST_PIXELS:,} pixels are "
            "decoded: make it smaller.",
            key="data",
        )


def _upright(image: Image.Image, source: Image.Image) -> Image.Image:
    """Turn an image as the EXIF orientation of its file says."""
    try:
        orientation = source.getexif().get(_ORIENTATION)
    except Exception:  # damaged metadata are no reason to reject an image
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(flatten(image, channels), np.uint8).reshape(size, size, channels)
