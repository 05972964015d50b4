"""Read and seal the results of one suite, safe with many writers.

The results are also safe if a process dies at any moment. `suite_folder` lists the files, and `sealing` describes how
cells become sealed files.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from moebench.files import check_file_name
from moebench.results import sealing
from moebench.results.newest import NEEDED, newest
from moebench.results.parquet_files import Problem, read_files
from moebench.results.schema import SCHEMA
from moebench.results.suite_folder import SuiteFolder
from moebench.results.upgrades import conform

_TRIES = 20
_MANY = 100


class Finished(NamedTuple):
    """How the newest attempt at one cell and seed ended."""

    status: str
    fingerprint: str | None
    attempt: int
    tuning: str | None = None
    """Every try of the tuning, as in the column `tuning`; None if there were none."""


class Store(SuiteFolder):
    """The results of one suite: existing rows, and the files that a driver's cells write.

    `unreadable` lists the files that the last reading left out.
    """

    def __init__(self, root: Path | str, suite: str) -> None:
        super().__init__(root, suite)
        self.unreadable: list[Problem] = []

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the newest attempt at each cell and seed, sealed or not.

        Args:
            columns: names of columns; None takes all columns of the schema.
        """
        wanted = SCHEMA.names if columns is None else list(columns)
        table = self.attempts([*dict.fromkeys((*wanted, *NEEDED))])
        keep = newest(table)
        return (table if keep.all() else table.filter(keep)).select(wanted)

    def finished(self) -> dict[tuple[str, int], Finished]:
        """Return the end of the newest attempt by (cell_id, seed), whatever its status."""
        names = ("cell_id", "seed", "status", "fingerprint", "attempt", "tuning")
        values = [column.to_pylist() for column in self.rows(names).columns]
        return {
            (cell, seed): Finished(status, fingerprint, attempt or 1, tuning)
            for cell, seed, status, fingerprint, attempt, tuning in zip(*values, strict=True)
        }

    def attempts(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return every row of unsealed cells and sealed files, older attempts and equal copies included.

        The folder is read again until no file of another driver is new, and rows that were read stay, so that no
        finished cell is missing while it moves from one file to another.
        """
        tables: list[pa.Table] = []
        problems: list[Problem] = []
        seen: set[tuple[int, ...]] = set()
        for _ in range(_TRIES):
            # Cells come first: a cell that is sealed in between is then found among the sealed files.
            listed = {path: _version(path) for path in [*self.cell_files(), *self.sealed_files()]}
            fresh = [path for path, version in listed.items() if version not in seen]
            if not fresh:
                break
            seen.update(listed.values())
            found, lost = read_files(fresh, columns)
            tables += found.values()
            problems += lost
        self.unreadable = [*problems, *self.strangers()]
        return concatenated(tables, columns)

    def seal(self, run_id: str) -> Path | None:
        """Write the finished cells of a run into one `RUN_ID.parquet`.

        Unsealed cells of other runs are written too. Rows that these cells replace move to the folder `superseded`. The
        files of other runs' cells stay for a day, since their drivers may be alive and read them. Sealing a run twice
        is safe; the second file gets a name of its own.

        Returns:
            The new file; None if there was nothing to seal.
        """
        path, self.unreadable = sealing.seal(self, check_file_name(run_id, "run"))
        return path

    def seal_leftovers(self) -> Path | None:
        """Seal the cells of all runs, and remove the files of these cells.

        The drivers of the runs must be dead.

        Returns:
            The new file; None if there was nothing to seal.
        """
        path, self.unreadable = sealing.seal(self, None)
        return path

    def renew(self) -> list[Path]:
        """Rewrite sealed files of earlier versions with the current columns and in the current folder.

        Returns:
            The files that were written again.
        """
        self.adopt_earlier_files()
        return sealing.renew(self)

    def add(self, table: pa.Table) -> Path | None:
        """Write rows from elsewhere as one more sealed file.

        Rows that the suite has already are left out.
        """
        return sealing.add(self, table)


def concatenated(tables: Iterable[pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    """Return all rows of `tables`, in order; without tables, an empty table.

    Args:
        tables: tables with equal columns.
        columns: columns of the empty table; None takes all columns of the schema.
    """
    # Not SCHEMA.empty_table(), which imports pandas; so does every conversion of Python values by Arrow.
    empty = conform(pa.table([pa.nulls(0, field.type) for field in SCHEMA], schema=SCHEMA), columns)
    parts = [empty, *tables]
    whole = pa.concat_tables(parts, promote_options="default")
    # Every later step over a column takes time for each of its pieces.
    return whole.combine_chunks() if len(parts) > _MANY else whole


def _version(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is replaced; empty without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
