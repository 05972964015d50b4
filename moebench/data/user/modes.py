"""Convert images of any Pillow mode and depth to 8 bits with the least loss.

Transparent pixels are composited on mid-grey, on which black and white shapes both stay visible. Images with more than
8 bits a pixel are scaled by the range of values in the training images. Colours are assumed to be sRGB, whatever
profile a file has.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Num
from PIL import Image, ImageCms

from moebench.errors import BadInput

GROUND = 128
"""Grey level behind transparent pixels."""
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_DEPTHS = {**dict.fromkeys(_SIXTEEN_BITS, "16-bit"), "I": "32-bit", "F": "floating-point"}
"""Modes with more than 8 bits a pixel, all of them grey."""
_GREY = ("1", "L", "LA", "La", *_DEPTHS)

Levels = Mapping[str, tuple[float, float]]
"""For each depth with more than 8 bits, the values that become 0 and 255."""


def is_grey(image: Image.Image) -> bool:
    """Return whether an image is grey, judged by its mode."""
    return image.mode in _GREY


def depth(image: Image.Image) -> str:
    """Return the depth of an image with more than 8 bits a pixel, else "".

    The depth is "16-bit", "32-bit" or "floating-point".
    """
    return _DEPTHS.get(image.mode, "")


def is_cut_to_8_bits(image: Image.Image) -> bool:
    """Return whether Pillow keeps only the upper 8 of 16 bits.

    Pillow does so for all images of several channels. The image must not have been loaded yet.
    """
    tiles = getattr(image, "tile", ())
    return not depth(image) and any("16" in str(tile[3]) for tile in tiles if len(tile) > 3)


def extent(name: str, image: Image.Image) -> tuple[float, float]:
    """Return the smallest and the largest value of a deep image.

    A deep image has more than 8 bits a pixel.

    Raises:
        BadInput: a value is infinite or no number.
    """
    values = _values(name, image)
    return float(values.min()), float(values.max())


def to_8_bits(name: str, image: Image.Image, levels: Levels) -> Image.Image:
    """Convert a loaded image to mode L, LA, RGB or RGBA.

    Args:
        name: name of the image in messages.
        image: an image of any mode.
        levels: range of each depth with more than 8 bits; a depth that is not there takes the image's own range.

    Raises:
        BadInput: a value is infinite or no number.
    """
    if depth(image):
        return _scaled(name, image, levels)
    if image.mode in ("P", "PA") or image.has_transparency_data:
        grey = is_grey(image)
        return image.convert("LA" if grey else "RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        found = ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "LAB", "RGB"))
        assert found is not None  # None only if the image is changed in place
        return found
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if is_grey(image) else "RGB")


def flatten(image: Image.Image, channels: int) -> Image.Image:
    """Composite an image on mid-grey, and convert it to grey or RGB.

    The image comes from `to_8_bits`. The result is of mode L for 1 channel, and RGB for 3.
    """
    if image.mode in ("LA", "RGBA"):
        ground = Image.new("RGBA", image.size, (GROUND, GROUND, GROUND, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
        if channels == 1:
            return image.convert("RGB").convert("L")
    return image.convert("RGB" if channels == 3 else "L")


def _values(name: str, image: Image.Image) -> Num[np.ndarray, "height width"]:
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise BadInput(f"{name} has pixels that are infinite or no numbers (NaN): replace them.", key="data")
    return values


def _scaled(name: str, image: Image.Image, levels: Levels) -> Image.Image:
    values = _values(name, image).astype(np.float64)
    low, high = levels.get(depth(image)) or (values.min(), values.max())
    scaled = (values - low) * 255 / (high - low) if high > low else np.zeros_like(values)
    bytes_ = scaled.round().clip(0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return Image.fromarray(bytes_)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray(bytes_), Image.fromarray(alpha)))
