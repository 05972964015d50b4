"""Read and write one result file; a damaged file never hides another.

A file that cannot be read is reported with its reason, and all other files are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moebench.errors import BadInput, unknown
from moebench.files import publishing
from moebench.results.newest import IDENTITY
from moebench.results.schema import SCHEMA, SCHEMA_VERSION, STATUSES
from moebench.results.upgrades import conform, file_version, upgrade

_LARGE = 10_000
"""Rows from which several threads read a file faster than one."""


@dataclass(frozen=True)
class Problem:
    """A faulty file and its fault; str() is a sentence."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


def write_table(table: pa.Table, path: Path) -> Path:
    """Publish `table` as one Parquet file."""
    with publishing(path) as temporary:
        write_parquet(table, temporary)
    return path


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write `table` in the file format of all results.

    The format is compressed by zstd, and has checksums that reveal a bit flipped later.
    """
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Publish rows as one Parquet file with the result table's schema.

    Columns that a row lacks are null; `schema_version` is filled in. Scalars and arrays may be Python's, NumPy's or
    JAX's.

    Args:
        rows: one mapping for each seed of a cell.
        path: the file to write.

    Raises:
        BadInput: a row lacks its identity (suite, run_id, cell_id, seed, attempt) or status, has a column that the
            schema does not know or a status that is none of `STATUSES`, or has a value that its column cannot store.
    """
    plain = []
    for row in rows:
        for name in row:
            if name not in SCHEMA.names:
                raise unknown("column", name, SCHEMA.names)
        for name in (*IDENTITY, "status"):
            if row.get(name) is None:
                raise BadInput(f"a result row lacks '{name}', which every row must have")
        if row["status"] not in STATUSES:
            raise unknown("status", str(row["status"]), STATUSES)
        values = {name: v.tolist() if hasattr(v, "tolist") else v for name, v in row.items()}
        plain.append(values | {"schema_version": SCHEMA_VERSION})
    columns = [_column(field, [row.get(field.name) for row in plain]) for field in SCHEMA]
    return write_table(pa.table(columns, schema=SCHEMA), path)


def _column(field: pa.Field, values: list[Any]) -> pa.Array:
    try:
        if pa.types.is_integer(getattr(field.type, "value_type", field.type)):
            # With the type given at once Arrow rounds 2.5 down to 2; a cast raises.
            return pa.array(values).cast(field.type)
        if getattr(field.type, "value_type", None) == pa.float16():
            # Arrow 17 takes no Python floats for float16, but casts them.
            return pa.array(values, pa.list_(pa.float32())).cast(field.type)
        return pa.array(values, field.type)
    except (pa.ArrowException, OverflowError) as error:
        raise BadInput(f"column '{field.name}' is of type {field.type}: {str(error).splitlines()[0]}") from error


def has_current_columns(path: Path) -> bool:
    """Return whether a file has today's columns, or cannot be read."""
    try:
        found = pq.read_metadata(path)
        return file_version(found) == SCHEMA_VERSION and bool(found.schema.to_arrow_schema().equals(SCHEMA))
    except (OSError, pa.ArrowException):
        return True


def read_file(path: Path, columns: Sequence[str] | None = None) -> pa.Table | Problem | None:
    """Return the rows of one file in the current layout.

    The result is None if the file has vanished since it was listed, and a `Problem` if the file cannot be read.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            large = file.metadata.num_rows > _LARGE
            version = file_version(file.metadata)
            if version is None:
                return Problem(path, "is a Parquet file without moebench results")
            if version > SCHEMA_VERSION:
                return Problem(
                    path, f"was written by a newer moebench (table version {version}, this one reads {SCHEMA_VERSION})"
                )
            if version < SCHEMA_VERSION:
                # An old column may have another name, so all are read before the upgrade.
                return conform(upgrade(file.read(use_threads=large), version), columns)
            if columns is None or set(columns).issuperset(SCHEMA.names):
                return conform(file.read(use_threads=large), columns)
            stored = list(set(columns).intersection(file.schema_arrow.names))
            return conform(file.read(stored, use_threads=large), columns)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        return Problem(path, f"is no readable Parquet file ({str(error).splitlines()[0].rstrip('.')})")


def read_files(
    paths: Iterable[Path], columns: Sequence[str] | None = None
) -> tuple[dict[Path, pa.Table], list[Problem]]:
    """Return the readable tables, in the given order, and the problems of unreadable files."""
    found = [(path, read_file(path, columns)) for path in paths]
    tables = {path: table for path, table in found if isinstance(table, pa.Table)}
    return tables, [problem for _, problem in found if isinstance(problem, Problem)]
