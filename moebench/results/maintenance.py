"""Looking after a results folder: what is in it, whether it is sound, and making one out of several."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from moebench.errors import BadInput, shortened
from moebench.files import is_file_name, publishing, read_small
from moebench.results.loading import chosen_stores
from moebench.results.newest import IDENTITY, newest
from moebench.results.parquet_files import Problem, read_file, read_files
from moebench.results.schema import STATUSES
from moebench.results.store import Store, concatenated

_NAMES = ("suite", "run_id", "cell_id")
"""Columns whose values become parts of paths."""
_DEAD_S = 3600
"""A temporary file this old has no writer any more."""


@dataclass(frozen=True)
class Run:
    """What one run of a suite has brought so far; rows that a later run replaced are not counted."""

    suite: str
    run_id: str
    began: datetime | None
    """When its first cell began, UTC."""
    statuses: dict[str, int]
    """Rows by status, in the order of `STATUSES`; a status without rows is left out."""
    unsealed: int
    """Files of single cells that sealing has yet to take away."""


def runs(root: Path | str = "results", suite: str | None = None) -> list[Run]:
    """The runs under `root`, of one suite or of all; each suite's in the order in which they were made."""
    return [run for store in chosen_stores(root, suite) for run in _runs(store)]


def _runs(store: Store) -> Iterator[Run]:
    rows = store.rows(["run_id", "status", "started_at"])
    groups = rows.group_by(["run_id", "status"]).aggregate([("started_at", "min"), ([], "count_all")]).to_pylist()
    for run_id in sorted({group["run_id"] or "" for group in groups}):
        own = [group for group in groups if (group["run_id"] or "") == run_id]
        counts = {group["status"]: group["count_all"] for group in own}
        yield Run(
            suite=store.suite,
            run_id=run_id,
            began=min((group["started_at_min"] for group in own if group["started_at_min"]), default=None),
            statuses={status: counts[status] for status in STATUSES if status in counts},
            unsealed=len(store.cell_files(run_id)) if run_id else 0,
        )


def verify(root: Path | str = "results", suite: str | None = None) -> list[Problem]:
    """Whatever is wrong with the results under `root`; every file is read to its last byte. Empty is good."""
    return [problem for store in chosen_stores(root, suite) for problem in _verify(store)]


def _verify(store: Store) -> Iterator[Problem]:
    sealed = store.sealed_files()
    sound = []
    for path in [*sealed, *store.cell_files(), *store.superseded_files()]:
        table = read_file(path)
        if isinstance(table, Problem):
            yield table
        elif table is not None:
            yield from (Problem(path, what) for what in _faults(table, store.suite))
            if path in sealed:
                sound.append(table.select([*IDENTITY, "started_at"]))
    twice = int((~newest(concatenated(sound, [*IDENTITY, "started_at"]))).sum())
    if twice:
        yield Problem(
            store.folder, f"shows rows beside newer ones that replace them ({twice} too many); sealing clears them"
        )
    yield from store.strangers()
    for path in store.temporary_files():
        if time.time() - path.stat().st_mtime > _DEAD_S:
            yield Problem(path, "is what a killed writer left; sealing clears it when it is a day old")


def _unnameable(table: pa.Table, column: str) -> Iterator[str]:
    """Yield the values of a column that would lead out of the results if they became part of a path."""
    for name in pc.unique(table[column]).to_pylist():
        if name is not None and not is_file_name(name):
            yield f"has rows whose {column} '{shortened(name)}' cannot name a file"


def _nameable(table: pa.Table) -> list[bool]:
    """Return for each row whether all of its names can be part of a path."""
    names = zip(*(table[column].to_pylist() for column in _NAMES), strict=True)
    return [all(name is None or is_file_name(name) for name in row) for row in names]


def _faults(table: pa.Table, suite: str) -> Iterator[str]:
    for name in (*IDENTITY, "status"):
        nulls = table[name].null_count
        if nulls:
            yield f"lacks {name} in {nulls} of its rows"
    for status in pc.unique(table["status"]).to_pylist():
        if status is not None and status not in STATUSES:
            yield f"has rows of the unknown status '{status}'"
    for column in _NAMES:
        yield from _unnameable(table, column)
    others = [name for name in pc.unique(table["suite"]).to_pylist() if name not in (suite, None)]
    if others:
        yield f"has rows of the suite '{others[0]}' in the folder of '{suite}'"


_MOST_BYTES = 1 << 20
"""Bytes of a suite's question and claims; more is no record of moebench."""


def merge(sources: Sequence[Path | str], into: Path | str) -> tuple[list[Path], list[Problem]]:
    """Take the results of other folders, replaced attempts too, into the folder `into`; the sources stay as they are.

    Of a cell and seed that several hold, the newest attempt counts and the others become superseded. What is
    there already is passed over, so merging again changes nothing. Returns the new files, one for each suite and
    source that brought any, and the files that could not be read. A source without results, or `into` itself as a
    source, raises `BadInput`.
    """
    stores = [store for source in sources for store in chosen_stores(source, None)]
    if Path(into).resolve() in [store.root.resolve() for store in stores]:
        raise BadInput(f"cannot merge {into} into itself: give another folder, new or not, to merge into")
    written, unreadable = [], []
    for store in stores:
        replaced, lost = read_files(store.superseded_files())
        rows = concatenated([*replaced.values(), store.attempts()])
        foreign = [fault for column in _NAMES for fault in _unnameable(rows, column)]
        unreadable += [*store.unreadable, *lost, *(Problem(store.folder, f"{what}; left out") for what in foreign)]
        target = Store(into, store.suite)
        path = target.add(rows.filter(_nameable(rows)) if foreign else rows)
        written += [path] if path else []
        unreadable += _merge_record(store, target)
    return written, unreadable


def _merge_record(source: Store, into: Store) -> list[Problem]:
    """Take over question and claims of a suite, unless the target has some of its own."""
    record = source.find_suite_record()
    if record is None or into.find_suite_record() is not None:
        return []
    try:
        content = read_small(record, _MOST_BYTES, "record of a suite")
    except BadInput as error:
        return [Problem(record, f"cannot be read: {error}")]
    with publishing(into.suite_record) as temporary:
        temporary.write_bytes(content)
    return []
