"""Publish figures as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from matplotlib.figure import Figure

from moebench.errors import unknown
from moebench.files import publishing
from moebench.reports.figures.layout import look

Format = Literal["png", "svg", "pdf"]


def save(figure: Figure, stem: Path | str, formats: Sequence[str] = ("png", "svg", "pdf")) -> list[Path]:
    """Publish a figure as STEM.FORMAT for each format and return the paths.

    A file appears whole or not at all. Fonts are embedded; equal figures give equal bytes.

    Args:
        figure: the figure.
        stem: path without its ending.
        formats: endings of the files.

    Raises:
        BadInput: a format is unknown, or the folder cannot be written.
    """
    import warnings

    written = []
    for form in formats:
        if form not in get_args(Format):
            raise unknown("figure format", form, get_args(Format))
    for form in formats:
        path = Path(f"{stem}.{form}")
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
        with publishing(path) as temporary, look(), warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes, which is no reason to fail.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(temporary, format=form, metadata=dates, facecolor="white")
        written.append(path)
    return written
