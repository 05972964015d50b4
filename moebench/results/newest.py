"""The newest attempt at each cell and seed, which is the row that counts.

Attempts are ordered by their number, then by run (run ids sort by time), then by the time they began; of equal copies
the last one given counts. The order is total, so that readers and writers agree on it without communication.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

KEY = ("suite", "cell_id", "seed")
"""Columns that identify a cell and seed."""
IDENTITY = (*KEY, "attempt", "run_id")
"""Columns that identify an attempt at a cell and seed."""
_ORDER = ("attempt", "run_id", "started_at")
NEEDED = (*IDENTITY, "started_at")
"""Columns that the functions of this module read."""


def newest(table: pa.Table) -> NDArray[np.bool_]:
    """Return bool[rows]: whether a row is the newest attempt at its cell and seed."""
    return _last(codes(table, KEY), [_ranks(table.column(name)) for name in _ORDER])


def distinct(table: pa.Table) -> NDArray[np.bool_]:
    """Return bool[rows]: false for all but the last of equal copies of a row."""
    return _last(codes(table, IDENTITY), [])


def codes(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int64]:
    """Return int[rows], equal for rows that are equal in `columns`.

    The value null is a value like any other.
    """
    combined = np.zeros(table.num_rows, np.int64)
    for name in columns:
        ranks = _ranks(table.column(name))
        combined = combined * (int(ranks.max(initial=0)) + 1) + ranks
        # Renumbered as 0, 1, 2, … so that the product of several columns fits into 64 bits.
        combined = np.unique(combined, return_inverse=True)[1].astype(np.int64)
    return combined


def _ranks(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return int[rows]: the rank of each value among the column's sorted values, null first."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    # By DLPack, since Arrow's own conversion to numpy imports pandas.
    order = np.from_dlpack(pc.sort_indices(encoded.dictionary))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    if encoded.dictionary.null_count:
        ranks[order[-1]] = 0
    return ranks[np.from_dlpack(encoded.indices).astype(np.int64)]


def _last(groups: NDArray[np.int64], order: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Return bool[rows]: whether a row is the last of its group by `order`.

    The first key of `order` counts most.
    """
    # lexsort takes the most important key last, and keeps the rows' own order where all keys are equal.
    by_group = np.lexsort((*reversed(order), groups))
    ends = np.append(np.diff(groups[by_group]) != 0, True) if len(groups) else np.zeros(0, np.bool_)
    result = np.zeros(len(groups), np.bool_)
    result[by_group[ends]] = True
    return result
