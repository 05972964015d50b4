"""Tables of images and labels: Parquet files, and what Hugging Face's `save_to_disk` writes."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moebench.data.user.reader import TEST_NAMES, TRAIN_NAMES, Listing, Raw, identity_of, listed, splits_among
from moebench.errors import BadInput

IMAGE_NAMES = ("image", "img", "images", "pixels")
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target")
_ROWS = 64
"""Read at a time: their images are in memory together."""

Read = Callable[[Sequence[str]], Iterable[pa.RecordBatch]]
"""The named columns of one split, part by part."""


@dataclass(frozen=True)
class Part:
    """One split of a table, perhaps in several files."""

    schema: pa.Schema
    read: Read = field(repr=False)


class Table:
    """A column of encoded images and one of labels, in one split or two."""

    def __init__(self, where: str, parts: Mapping[str, Part], identity: str) -> None:
        """The splits by name; all have the same columns.

        Raises:
            BadInput: no split, or no such columns.
        """
        self.where, self.identity = where, identity
        names = list(splits_among(parts) or sorted(parts)[:1])
        if len(parts) > 1 and len(names) == 1:
            raise BadInput(
                f"{where} has the splits {', '.join(sorted(parts))}: moebench takes train, and test or validation.",
                key="data",
            )
        self._parts = [parts[name] for name in names]
        schema = self._parts[0].schema
        self._image = _column(where, "images", IMAGE_NAMES, schema)
        self._label = _column(where, "labels", LABEL_NAMES, schema)
        self._names = _class_names(schema, self._label)

    def listing(self) -> Listing:
        """The labels, without the images."""
        counts: list[int] = []
        names: list[str] = []
        for part in self._parts:
            before = len(names)
            for batch in part.read([self._label]):
                names += map(self._named, batch.column(0).to_pylist())
            counts.append(len(names) - before)
        test = [False] * counts[0] + [True] * counts[1] if len(counts) == 2 else None
        return listed(self.where, names, test, self.identity)

    def raw(self) -> Iterator[Raw]:
        """The images' files."""
        row = 0
        for part in self._parts:
            for batch in part.read([self._image]):
                for cell in batch.column(0):
                    name = f"the image of row {row} of {self.where}"
                    yield Raw(name, _bytes(name, cell.as_py()))
                    row += 1

    def some(self, count: int) -> Iterator[Raw]:
        """The first."""
        return islice(self.raw(), count)

    def _named(self, label: Any) -> str:
        if isinstance(label, int | str) and not isinstance(label, bool):
            return self._names[label] if isinstance(label, int) and 0 <= label < len(self._names) else str(label)
        raise BadInput(
            f"the column '{self._label}' of {self.where} holds {label!r}: a label is a whole number or a text.",
            key="data",
        )


def parquet(path: Path) -> Table:
    """A Parquet file, or all of a folder and of its folder `data`; files whose names begin with the word train, test or
    validation, or what else splits are called, are these splits.

    Raises:
        BadInput: a file that is none, or without images and labels.
    """
    files = [path] if path.is_file() else parquet_files(path)
    splits: dict[str, list[Path]] = {}
    for file in files:
        word = _FIRST_WORD.match(file.stem.lower())
        stem = word[0] if word else ""
        known = stem if path.is_dir() and stem in (*TRAIN_NAMES, *TEST_NAMES) else "all"
        splits.setdefault(known, []).append(file)
    parts = {name: Part(_parquet_schema(own[0]), _parquet_reader(own)) for name, own in splits.items()}
    return Table(str(path), parts, identity_of(files, path.parent))


_FIRST_WORD = re.compile("[a-z]+")


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and of its folder `data`, in the order of their names."""
    return sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")])


def saved(folder: Path) -> Table:
    """What `datasets.save_to_disk` wrote: one split, or a folder for each.

    Raises:
        BadInput: files that are missing, damaged, or a choice of rows that was not written out.
    """
    names = _json(folder / "dataset_dict.json").get("splits") if (folder / "dataset_dict.json").exists() else None
    splits: dict[str, list[Path]] = {}
    for name in names or ["all"]:
        own = folder / name if names else folder
        state = _json(own / "state.json")
        if state.get("_indices_data_files"):
            raise BadInput(f"{own} is a choice of rows: call flatten_indices() before save_to_disk().", key="data")
        splits[name] = [own / entry["filename"] for entry in state.get("_data_files", [])]
    parts = {name: Part(_arrow_schema(files[0]), _arrow_reader(files)) for name, files in splits.items() if files}
    if not parts:
        raise BadInput(f"{folder} is a saved data set without a row.", key="data")
    return Table(str(folder), parts, identity_of([file for files in splits.values() for file in files], folder))


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"cannot read {file}: {str(error).splitlines()[0].rstrip('.')}.", key="data") from error


def _parquet_schema(file: Path) -> pa.Schema:
    with _reading(file):
        return pq.read_schema(file)


def _parquet_reader(files: Sequence[Path]) -> Read:
    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for file in files:
            with _reading(file), pq.ParquetFile(file) as opened:
                yield from opened.iter_batches(_ROWS, columns=columns)

    return read


def _arrow_schema(file: Path) -> pa.Schema:
    with _reading(file), pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).schema


def _arrow_reader(files: Sequence[Path]) -> Read:
    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for file in files:
            with _reading(file), pa.memory_map(str(file)) as source:
                for batch in pa.ipc.open_stream(source):
                    yield batch.select(columns)

    return read


def _column(where: str, what: str, names: Sequence[str], schema: pa.Schema) -> str:
    found = next((name for name in names if name in schema.names), None)
    if found is None:
        raise BadInput(
            f"{where} has the columns {', '.join(schema.names)}, and none for {what}: name it {' or '.join(names)}.",
            key="data",
        )
    return found


def _class_names(schema: pa.Schema, label: str) -> Sequence[str]:
    """What Hugging Face's libraries write beside a table about the names of its classes."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return list(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError):
        return ()


def _bytes(name: str, cell: Any) -> bytes:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        return content
    held = "a path and not the image itself" if isinstance(cell, dict) and cell.get("path") else type(content).__name__
    raise BadInput(f"{name} holds {held}: moebench takes images as the bytes of a PNG or JPEG file.", key="data")


def _json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {file}: {error}.", key="data") from error
