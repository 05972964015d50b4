"""Read tables with a column of encoded images and a column of labels.

A table is one file or several.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from moebench.data.regular_files import first_line, open_regular, shown
from moebench.data.user.labels import LabelReader
from moebench.data.user.reader import MOST_IMAGES, Part, Raw, Uniform
from moebench.data.user.splits import TRAIN_NAMES, check_numbers
from moebench.errors import BadInput

IMAGE_NAMES = ("image", "img", "images", "pixels")
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target")
IMAGE_ROWS = 64
"""Rows whose images are read at a time, all of which are in memory together."""
LABEL_ROWS = 1 << 16
"""Rows whose labels are read at a time."""

Read = Callable[[Sequence[str], int], Iterable[pa.RecordBatch]]
"""Yields the named columns in batches of at most the given number of rows."""


@dataclass(frozen=True)
class Rows:
    """The rows of one file."""

    where: str
    """Name of the file in messages."""
    schema: pa.Schema
    read: Read = field(repr=False)


class Table:
    """Column of encoded images and column of labels, in one split or several.

    Each split is one file or several.
    """

    def __init__(self, where: str, splits: Mapping[str, Sequence[Rows]], stamp: str, notes: Sequence[str] = ()) -> None:
        """Store the files of a table.

        Args:
            where: the table, for messages.
            splits: the files of each split; a table without splits has one, with the name "".
            stamp: changes if a file changes.
            notes: sentences on what is left out.
        """
        self.where, self.splits, self._stamp, self._notes = where, splits, stamp, notes

    def parts(self) -> Mapping[str, Part]:
        """Read the labels, without the images.

        Raises:
            BadInput: a file is damaged, or a column is missing.
        """
        return {name: self._part(name, files) for name, files in self.splits.items()}

    def stamp(self) -> str:
        """Return a text that changes if a file changes."""
        return self._stamp

    def notes(self) -> Sequence[str]:
        """Return sentences on what is left out."""
        return self._notes

    def uniform(self) -> Uniform | None:
        """Return None: images may have any shape."""
        return None

    def content(self) -> Iterable[bytes]:
        """Yield nothing: images have no uniform shape."""
        return ()

    @cached_property
    def _columns(self) -> tuple[str, str]:
        return self.column("images", IMAGE_NAMES), self.column("labels", LABEL_NAMES)

    def column(self, of: str, names: Sequence[str]) -> str:
        """Return the name of a column, of the training split if there is one.

        Args:
            of: content of the column, for messages.
            names: names that such a column may have.

        Raises:
            BadInput: no file has such a column.
        """
        first = sorted(self.splits, key=lambda name: name.lower() not in TRAIN_NAMES)
        files = [rows for name in first for rows in self.splits[name]]
        found = (name for rows in files for name in names if name in rows.schema.names)
        try:
            return next(found)
        except StopIteration:
            raise missing_column(files[0].where, of, names, files[0].schema.names) from None

    def _part(self, name: str, files: Sequence[Rows]) -> Part:
        where = f"{self.where} ({shown(name)})" if name else self.where
        image, label = self._columns
        without = [rows for rows in files if label not in rows.schema.names]
        if len(without) == len(files):
            columns = ", ".join(map(shown, files[0].schema.names)) or "none"
            return Part(where, unlabelled=f"no column '{label}' (its columns are {columns})")
        for rows in files:
            for column in (image, label):
                if column not in rows.schema.names:
                    raise BadInput(f"{rows.where} has no column '{column}', and other files have.", key="data")
        read = [_labelled(rows, label) for rows in files]
        check_numbers(read)
        return Part(
            where,
            [each for part in read for each in part.labels],
            lambda: (raw for rows in files for raw in encoded_images(rows, image)),
            numbers=next((part.numbers for part in read if part.numbers), ""),
        )


def missing_column(where: str, of: str, names: Sequence[str], columns: Sequence[str]) -> BadInput:
    """Return the error for a table without a column.

    The message suggests to rename the column whose name is nearest, if there is one.

    Args:
        where: the file, for messages.
        of: content of the missing column, for messages.
        names: names that such a column may have.
        columns: names of the present columns.
    """
    close = ((column, near) for column in columns for near in get_close_matches(column.lower()[:100], names, n=1))
    column, near = next(close, ("", ""))
    hint = f"name it {' or '.join(names)}" if not column else f"rename '{shown(column)}' to '{near}'"
    return BadInput(
        f"{where} has the columns {', '.join(map(shown, columns)) or 'none'}, and none for {of}: {hint}.", key="data"
    )


def _labelled(rows: Rows, label: str) -> Part:
    """Read the labels of one file; its numbers refer to its own list of names."""
    names = _class_names(rows.schema, label)
    reader = LabelReader(f"the column '{label}' of {rows.where}", names)
    labels: list[str | None] = []
    for batch in rows.read([label], LABEL_ROWS):
        values, places = _distinct(rows.where, label, batch)
        found = reader.read(values)
        labels += [None if place is None else found[place] for place in places]
        if len(labels) > MOST_IMAGES:
            raise BadInput(f"{rows.where} has more than {MOST_IMAGES:,} rows.", key="data")
    return Part(rows.where, labels, numbers="named" if names else "bare" if reader.has_bare_numbers else "")


def encoded_images(rows: Rows, image: str) -> Iterator[Raw]:
    """Yield the images of one file.

    Args:
        rows: the file.
        image: name of the column of images.

    Raises:
        BadInput: the column is damaged, or has no encoded images.
    """
    number = 0
    for batch in rows.read([image], IMAGE_ROWS):
        with valid_column(rows.where, image, batch) as values:
            cells = values.to_pylist()
        for cell in cells:
            name = f"the image of row {number} of {rows.where}"
            yield Raw(name, _bytes(name, cell))
            number += 1


def _distinct(where: str, column: str, batch: pa.RecordBatch) -> tuple[list[Any], list[int | None]]:
    """Return the distinct values of a batch's only column, and their places.

    The places are one for each row: the place of the row's value among the distinct values.
    """
    with valid_column(where, column, batch) as values:
        try:
            encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
            return encoded.dictionary.to_pylist(), encoded.indices.to_pylist()
        except (pa.ArrowNotImplementedError, AttributeError):  # for example lists, which are no labels
            return values.to_pylist(), list(range(len(values)))


@contextmanager
def valid_column(where: str, column: str, batch: pa.RecordBatch) -> Iterator[pa.Array]:
    """Yield a batch's only column, after a check that its offsets and texts are valid."""
    try:
        values = batch.column(0)
        values.validate(full=True)
        yield values
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise BadInput(
            f"the column '{column}' of {where} is damaged or no UTF-8 text: {first_line(error)}.", key="data"
        ) from error


def _bytes(name: str, cell: Any) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        return content
    path = isinstance(cell, dict) and cell.get("path")
    held = "a path and not the image itself" if path else "nothing" if content is None else type(content).__name__
    raise BadInput(f"{name} holds {held}: moebench takes images as the bytes of a PNG or JPEG file.", key="data")


def _class_names(schema: pa.Schema, label: str) -> list[str]:
    """Return the class names that Hugging Face's libraries write beside a table.

    The result is empty if there are no names.
    """
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
        return [str(name) for name in names] if isinstance(names, list) else []
    except (KeyError, TypeError, ValueError, RecursionError):
        return []


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn the errors of reading a file into one sentence.

    A file that is not regular is an error as well.

    Raises:
        BadInput: the file cannot be read, or is damaged.
    """
    try:
        with open_regular(file):
            pass
        yield
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"cannot read {shown(file)}: {first_line(error)}.", key="data") from error
    except (pa.ArrowException, ValueError, LookupError, TypeError, MemoryError) as error:
        raise BadInput(f"{shown(file)} is damaged: {first_line(error)}.", key="data") from error
