"""Decide which files are images: by suffix if Pillow knows the suffix, else by content."""

import os
from pathlib import Path

from PIL import Image, features

from moebench.data.regular_files import open_regular

Image.init()

_RUNS_PROGRAMS = ("EPS", "WMF")
"""Formats whose reading starts an interpreter."""
_NO_IMAGES = ("BUFR", "GRIB", "HDF5", "MPEG")
"""Formats that Pillow recognises without decoding them."""
FORMATS = tuple(name for name in Image.ID if name not in (*_RUNS_PROGRAMS, *_NO_IMAGES))
"""Formats that are read."""
_OPTIONAL = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}
"""Formats that need a library which Pillow may lack, and the name of the library among Pillow's features."""
_LACKING = {name for name, feature in _OPTIONAL.items() if feature not in features.get_supported()}
SUFFIXES = frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS and name not in _LACKING)
"""Suffixes of images, in small letters."""
_BY_CONTENT: tuple[str, ...] = tuple(
    name for name in FORMATS if name in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "JPEG2000", "BMP")
)
"""Formats whose first bytes distinguish them from any other file."""
_COPIES = ("~", ".bak", ".orig", ".old", ".tmp", ".part", ".partial", ".crdownload", ".swp")
"""Ends of the names of backups and unfinished downloads, which may be images, but copies of others or incomplete."""


def is_image(path: Path) -> bool:
    """Return whether a file is an image by its suffix or content.

    The content decides if the suffix is unknown or missing. A file with the suffix of an image counts as one even if it
    cannot be read, so that it is reported and not left out.
    """
    name = path.name.lower()
    if os.path.splitext(name)[1] in SUFFIXES:
        return True
    if name.endswith(_COPIES):
        return False
    try:
        with open_regular(path) as file, Image.open(file, formats=_BY_CONTENT):
            return True
    except Exception:  # Pillow raises nearly anything for a file that is no image
        return False
