"""Seal finished cells: many writers, no locks, safe whichever process dies at whatever moment.

Each file name has one writer, no file is changed in place, and concurrent steps of two writers give the same result in
any order:

- A row leaves a sealed file only if a greater one, in the total order of `attempts`, is on the disk. The greatest row
  is therefore never lost, and repeating a step changes nothing.
- Before rows leave a sealed file, those that are not mere copies are written to the folder `superseded`.
- A cell's file is removed only when its rows are in sealed or superseded files, and only by the sealing of its own run
  or when it is a day old: until then its driver may need it.
- The new sealed file is published before the rows it replaces leave, so a plain `pandas.read_parquet` of the folder
  may see both for a moment, or until the next sealing if a kill falls between. The other order would show neither.
  Several files cannot change in one step, and of the two faults this is the one that can be seen and undone:
  `attempt` distinguishes the rows, `verify` counts them and `load` never shows them, while a hole looks like a cell
  that was never run. If the disk is too full for the new file, no row moves.
- Two writers may seal the same cells or undo each other's removal. Each writer reads the folder again after its last
  write until nothing is left to remove, so that the last writer leaves the folder clean.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from moebench.files import is_file_name
from moebench.results.newest import IDENTITY, NEEDED, codes, distinct, newest
from moebench.results.parquet_files import Problem, has_current_columns, read_file, read_files, write_table
from moebench.results.suite_folder import SuiteFolder

_TRIES = 20
_STALE_S = 24 * 3600


def seal(folder: SuiteFolder, run_id: str | None) -> tuple[Path | None, list[Problem]]:
    """Seal as `Store.seal` describes, or as `Store.seal_leftovers` if `run_id` is None.

    Args:
        folder: the suite.
        run_id: the run whose cells are sealed; None for the cells of all runs.

    Returns:
        The new file, None if there was nothing to seal; and the cells that could not be read.
    """
    cells, unreadable = read_files(folder.cell_files())
    path = add(folder, pa.concat_tables(cells.values(), promote_options="default"), run_id) if cells else None
    if path is None:
        _settle(folder)
    own = set(folder.cell_files(run_id))
    for cell in cells:
        if cell in own or _stale(cell):
            cell.unlink(missing_ok=True)
    _sweep(folder, run_id)
    return path, unreadable


def renew(folder: SuiteFolder) -> list[Path]:
    """Rewrite files of earlier versions as `Store.renew` describes.

    If another writer removes rows from a file at the same moment, the rows may reappear until both writers have read
    the folder again.
    """
    renewed = []
    for path in folder.sealed_files():
        table = None if has_current_columns(path) else read_file(path)
        if isinstance(table, pa.Table):
            renewed.append(write_table(table, path))
    if renewed:
        _settle(folder)
    return renewed


def add(folder: SuiteFolder, table: pa.Table, run_id: str | None = None) -> Path | None:
    """Write rows as `Store.add` describes.

    Args:
        folder: the suite.
        table: the rows.
        run_id: name of the new file, unless the run has a file; None makes a new name.

    Returns:
        The new file; None if all rows are known.
    """
    sealed, _ = read_files(folder.sealed_files(), NEEDED)
    superseded, _ = read_files(folder.superseded_files(), NEEDED)
    table = table.filter(distinct(table))
    table = table.filter(_unknown(table, [*sealed.values(), *superseded.values()]))
    current = _masks(newest, [*sealed.values(), table])[-1]
    late, table = table.filter(~current), table.filter(current)
    path = _publish(folder, table, run_id, [*sealed.values(), *superseded.values()]) if table.num_rows else None
    # Superseded rows after the rows that replace them, so that a superseded row is never the newest sealed row.
    if late.num_rows:
        write_table(late, _unique(folder.superseded_folder, "late"))
    if path is not None:
        _settle(folder)
    return path


def _publish(folder: SuiteFolder, table: pa.Table, run_id: str | None, known: Sequence[pa.Table]) -> Path:
    """Write rows as one more sealed file."""
    path = folder.folder / f"{run_id}.parquet"
    # A name is never used twice: another writer may still be about to remove rows from an earlier file of the name.
    if run_id is None or any(_holds(run_id, part) for part in known):
        names = filter(is_file_name, pc.unique(table["run_id"]).drop_null().to_pylist())
        path = _unique(folder.folder, max(names, default="unnamed"))
    return write_table(table.sort_by([(name, "ascending") for name in ("started_at", "cell_id", "seed")]), path)


def _settle(folder: SuiteFolder) -> None:
    for _ in range(_TRIES):
        if not _supersede(folder):
            break


def _supersede(folder: SuiteFolder) -> bool:
    """Move replaced rows out of the sealed files; return whether there were any."""
    sealed, _ = read_files(folder.sealed_files(), NEEDED)
    # Of equal copies the last by file name counts, so that all writers keep the same one.
    masks = _masks(newest, list(sealed.values()))
    crowded = [path for path, mask in zip(sealed, masks, strict=True) if not mask.all()]
    for path in crowded:
        whole = read_file(path)
        if not isinstance(whole, pa.Table):
            continue
        # Another writer may have changed the file since it was read: the rows that are written back decide which rows
        # leave.
        tables = list((sealed | {path: whole}).values())
        place = list(sealed).index(path)
        current, original = _masks(newest, tables)[place], _masks(distinct, tables)[place]
        replaced = whole.filter(~current & original)
        if replaced.num_rows:
            write_table(replaced, _unique(folder.superseded_folder, path.stem))
        if current.any():
            write_table(whole.filter(current), path)
        else:
            path.unlink(missing_ok=True)
    return bool(crowded)


def _unknown(table: pa.Table, known: Iterable[pa.Table]) -> NDArray[np.bool_]:
    """Return bool[rows]: whether a row of `table` is in none of the `known` tables."""
    tables = [*known, table]
    identities = codes(pa.concat_tables([part.select(NEEDED) for part in tables]), IDENTITY)
    earlier = len(identities) - table.num_rows
    return ~np.isin(identities[earlier:], identities[:earlier])


def _holds(run_id: str, table: pa.Table) -> bool:
    return bool(pc.any(pc.equal(table["run_id"], run_id)).as_py())


def _masks(select: Callable[[pa.Table], NDArray[np.bool_]], tables: Sequence[pa.Table]) -> list[NDArray[np.bool_]]:
    """Apply `select` to the concatenated tables, and return its bool[rows] for each table."""
    if not tables:
        return []
    found = select(pa.concat_tables([table.select(NEEDED) for table in tables]))
    return np.split(found, np.cumsum([table.num_rows for table in tables])[:-1])


def _stale(path: Path) -> bool:
    """Return whether a file is so old that no living driver can still need it."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > _STALE_S
    return False


def _unique(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.{uuid4().hex[:8]}.parquet"


def _sweep(folder: SuiteFolder, run_id: str | None) -> None:
    """Remove the remains of killed writers.

    Remains are temporary files of the ended run, any temporary file that is a day old, and empty folders.
    """
    for path in folder.temporary_files():
        if path.parent.name == run_id or _stale(path):
            path.unlink(missing_ok=True)
    for run in folder.cell_folders():
        if run_id in (None, run.name):
            with contextlib.suppress(OSError):  # not empty: an unreadable cell stays where it is
                run.rmdir()
