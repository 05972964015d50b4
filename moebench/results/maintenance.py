"""Maintain a results folder: list its runs, verify its files, merge several folders."""

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
"""Seconds after which a temporary file surely has no writer any more."""


@dataclass(frozen=True)
class Run:
    """The results of one run of a suite so far, without replaced rows.

    A row is replaced by a later run.
    """

    suite: str
    run_id: str
    began: datetime | None
    """Time at which the first cell began, UTC."""
    statuses: dict[str, int]
    """Number of rows by status, in the order of `STATUSES`; a status without rows is left out."""
    unsealed: int
    """Number of files of single cells that are not sealed yet."""


def runs(root: Path | str = "results", suite: str | None = None) -> list[Run]:
    """Return the runs of one suite or of all suites under `root`.

    The runs of each suite are in the order of their start.
    """
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
    """Return the faults of the results under `root`.

    Every file is read to its last byte.
    """
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
            store.folder,
            f"shows rows beside newer ones that replace them ({twice} too many); sealing removes the older ones",
        )
    yield from store.strangers()
    for path in store.temporary_files():
        if time.time() - path.stat().st_mtime > _DEAD_S:
            yield Problem(path, "was left by a killed writer; sealing removes it when it is a day old")


def _unnameable(table: pa.Table, column: str) -> Iterator[str]:
    """Yield a fault for each value of a column that cannot name a file.

    As a part of a path such a value could lead out of the results folder.
    """
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
"""Largest size in bytes of a record with a suite's question and claims; a larger file is not moebench's."""


def merge(sources: Sequence[Path | str], into: Path | str) -> tuple[list[Path], list[Problem]]:
    """Copy the results of other folders, replaced attempts too, into the folder `into`.

    Of a cell and seed in several folders the newest attempt counts, and the other attempts become superseded. Rows that
    `into` has already are skipped, so that a second merge changes nothing.

    Args:
        sources: results folders, which stay as they are.
        into: the folder that receives the results.

    Returns:
        The new files, one for each suite and source with new rows, and the files that could not be read.

    Raises:
        BadInput: a source has no results, or is `into` itself.
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
    """Copy question and claims of a suite, unless the target has its own."""
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
