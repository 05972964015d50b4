"""hf:NAME, a data set of the Hugging Face hub: downloaded by their library on first use, and read as a table."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from moebench.data.user.parquet import Part, Read, Table
from moebench.errors import BadInput
from moebench.spec.cell_spec import HUB

_ROWS = 64


def table(name: str) -> Table:
    """The table of hf:NAME, or of hf:NAME:CONFIGURATION.

    Raises:
        BadInput: the library is not installed, or the data set cannot be had.
    """
    try:
        import datasets
    except ImportError as error:
        raise BadInput(
            f"{name} needs the library datasets, which is not installed: pip install 'moebench[hf]'", key="data"
        ) from error
    path, _, configuration = name.removeprefix(HUB).partition(":")
    try:
        found = datasets.load_dataset(path, configuration or None)
    except Exception as error:  # of the hub, of the network, of the library: there is no one class for them
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise BadInput(f"{name} cannot be had from the Hugging Face hub: {why}.", key="data") from error
    parts = {split: Part(rows.data.table.schema, _reader(rows)) for split, rows in found.items()}
    return Table(name, parts, "-".join(rows._fingerprint for _, rows in sorted(found.items())))


def _reader(rows: Any) -> Read:
    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        # The table itself: a selection by their library would first be hashed, with everything that it refers to.
        return iter(rows.data.table.select(list(columns)).to_batches(_ROWS))

    return read
