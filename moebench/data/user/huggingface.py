"""Read data sets of the Hugging Face hub, written hf:NAME.

The hub's library downloads a data set on first use.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from moebench.data.regular_files import first_line
from moebench.data.user.table import Read, Rows, Table
from moebench.errors import BadInput
from moebench.spec.cell_spec import HUB


def table(name: str) -> Table:
    """Return the table of hf:NAME, or of hf:NAME:CONFIGURATION.

    Raises:
        BadInput: the library is not installed, or the data set cannot be loaded.
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
    except Exception as error:  # errors of the hub, of the network, of the library: they have no common class
        why = first_line(error)
        raise BadInput(f"{name} cannot be loaded from the Hugging Face hub: {why}.", key="data") from error
    splits = {
        split: [Rows(f"{name} ({split})", rows.data.table.schema, _reader(rows))] for split, rows in found.items()
    }
    return Table(name, splits, "-".join([name, *(rows._fingerprint for _, rows in sorted(found.items()))]))


def _reader(rows: Any) -> Read:
    def read(columns: Sequence[str], most: int) -> Iterator[pa.RecordBatch]:
        # The table itself: the library would first hash a selection, together with every object that it refers to.
        return iter(rows.data.table.select(list(columns)).to_batches(most))

    return read
