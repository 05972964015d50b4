"""Of all attempts at a cell and seed, the newest counts, in whatever order they are found."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from results_rows import BEGAN

from moebench.results.newest import NEEDED, codes, distinct, newest
from moebench.results.schema import SCHEMA

_SCHEMA = pa.schema([SCHEMA.field(name) for name in NEEDED])


def _table(*rows: tuple[str | None, int | None, int | None, str | None]) -> pa.Table:
    """Rows of (cell_id, seed, attempt, run_id) of one suite."""
    return pa.Table.from_pylist(
        [
            {"suite": "s", "cell_id": cell, "seed": seed, "attempt": attempt, "run_id": run, "started_at": BEGAN}
            for cell, seed, attempt, run in rows
        ],
        schema=_SCHEMA,
    )


def test_attempt_counts_before_run_and_run_before_place() -> None:
    table = _table(
        ("a", 0, 2, "r1"),  # newest of (a, 0): attempt 2 is above attempt 1 of the later run
        ("a", 0, 1, "r2"),
        ("a", 1, 1, "r2"),  # newest of (a, 1): the later run
        ("a", 1, 1, "r1"),
        ("b", 0, 1, "r1"),  # a copy of the next
        ("b", 0, 1, "r1"),  # newest of (b, 0): the last of equal copies
    )
    assert newest(table).tolist() == [True, False, True, False, False, True]
    assert distinct(table).tolist() == [True, True, True, True, False, True]


def test_the_same_cell_of_another_suite_is_another_row() -> None:
    table = pa.concat_tables([_table(("a", 0, 1, "r1"))] * 2).set_column(0, "suite", [["s", "t"]])
    assert newest(table).tolist() == [True, True]


def test_no_rows_and_rows_without_identity() -> None:
    assert newest(_SCHEMA.empty_table()).tolist() == []
    assert newest(_table((None, None, None, None), ("a", 0, 1, None), (None, None, 1, "r1"))).tolist() == [
        False,
        True,
        True,
    ]


_rows = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from([0, 1, None]),
    st.sampled_from([1, 2, 10, None]),
    st.sampled_from(["r1", "r10", "r2", None]),
)


@given(st.lists(_rows, max_size=12), st.randoms(use_true_random=False))
def test_the_newest_is_the_largest_and_does_not_depend_on_the_order(rows: list[tuple], random: object) -> None:
    def greatest(found: list[tuple]) -> set[tuple]:
        return {row for row, keep in zip(found, newest(_table(*found)), strict=True) if keep}

    by_key: dict[tuple, list[tuple]] = {}
    for row in rows:
        by_key.setdefault(row[:2], []).append(row)
    expected = {max(group, key=lambda row: (row[2] or 0, row[3] or "")) for group in by_key.values()}
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert greatest(rows) == expected == greatest(shuffled)
    assert sum(newest(_table(*rows))) == len(by_key)
    assert np.unique(codes(_table(*rows), ("cell_id", "seed"))).size == len(by_key)
