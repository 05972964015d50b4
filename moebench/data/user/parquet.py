"""Read Parquet files."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from moebench.data.regular_files import shown
from moebench.data.user.file_tree import LeftOut, is_folder, stamp, visible
from moebench.data.user.reader import MOST_IMAGES
from moebench.data.user.splits import EVALUATION_NAMES, TRAIN_NAMES
from moebench.data.user.table import Read, Rows, Table, reading
from moebench.errors import BadInput

_LEAST_IMAGE_BYTES = 8
"""Bytes of the smallest possible image, however well a column of images is packed."""
_FIRST_WORD = re.compile("[a-z]+")


def parquet(path: Path) -> Table:
    """Read a Parquet file, or all Parquet files of a folder.

    Parquet files of the folder's own folder `data` are read as well. In a folder, files whose names begin with a word
    such as train, test or validation are the files of that split.

    Raises:
        BadInput: a file is no Parquet file.
    """
    left_out = LeftOut()
    files = [path] if path.is_file() else parquet_files(path, left_out)
    words = {file: _FIRST_WORD.match(file.stem.lower()) for file in files}
    names = {file: word[0] if word else "" for file, word in words.items()}
    if path.is_file() or not {*TRAIN_NAMES, *EVALUATION_NAMES} & set(names.values()):
        names = dict.fromkeys(files, "")
    splits: dict[str, list[Rows]] = {}
    for file in files:
        splits.setdefault(names[file], []).append(Rows(shown(file), _parquet_schema(file), _parquet_reader(file)))
    return Table(shown(path), splits, stamp(shown(path), files), left_out.notes())


def parquet_files(folder: Path, left_out: LeftOut) -> list[Path]:
    """Return the Parquet files of a folder and its folder `data`, sorted by path.

    Args:
        folder: the folder.
        left_out: counts other files and folders.
    """
    found: list[Path] = []
    for entry in visible(folder, left_out):
        inner = visible(Path(entry.path), left_out) if entry.name == "data" and is_folder(entry) else [entry]
        for each in inner:
            if each.name.lower().endswith(".parquet"):
                found.append(Path(each.path))
            else:
                left_out.add("no Parquet files", each.path)
    return sorted(found)


def _parquet_schema(file: Path) -> pa.Schema:
    with reading(file):
        found = pq.read_metadata(file)
        if found.num_rows > MOST_IMAGES:
            raise BadInput(f"{shown(file)} has {found.num_rows:,} rows: up to {MOST_IMAGES:,} are read.", key="data")
        size = file.stat().st_size
        if found.num_rows * _LEAST_IMAGE_BYTES > size:
            raise BadInput(
                f"{shown(file)} has {found.num_rows:,} rows in {size:,} bytes, too few for as many images.", key="data"
            )
        return found.schema.to_arrow_schema()


def _parquet_reader(file: Path) -> Read:
    def read(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        with reading(file), pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(rows, columns=columns)

    return read
