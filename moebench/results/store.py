"""The results of one suite on disk, safe with many writers and with a death at any moment.

    results/SUITE/RUN_ID.parquet            sealed runs: what `pandas.read_parquet("results/SUITE")` sees
    results/SUITE/_cells/RUN_ID/*.parquet   finished cells of runs that are not sealed yet
    results/SUITE/_superseded/*.parquet     rows that a newer attempt has replaced; kept for good
    results/SUITE/_logs/RUN_ID/*.log        what the cells printed
    results/SUITE/_running/RUN_ID.json      what a run is doing now, while it lasts
    results/SUITE/_checkpoints/CELL_ID/     what a cell needs that goes on after a kill; gone when its rows are there
    results/SUITE/_routing/*.parquet        recordings of the routing of single tokens
    results/SUITE/_report/                  figures and the dashboard
    results/SUITE/_suite.json               question and claims of the suite that was run last

pandas and pyarrow skip names that begin with `_` or `.`. How the first three change is told in `sealing`.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from moebench.errors import BadInput
from moebench.files import check_file_name, entries, is_file_name, is_temporary
from moebench.results import sealing
from moebench.results.newest import NEEDED, newest
from moebench.results.parquet_files import Problem, read_files
from moebench.results.schema import SCHEMA
from moebench.results.upgrades import conform

_CELLS = "_cells"
_SUPERSEDED = "_superseded"
SUITE_RECORD = "_suite.json"
RECORDINGS = "_routing"
"""Folder of the recordings of routing in the folder of a suite."""
SUITE_PARTS = (_CELLS, _SUPERSEDED, "_logs", "_running", "_checkpoints", "_report", RECORDINGS)
"""Folders inside the folder of a suite."""
_TRIES = 20
_MANY = 100


class Finished(NamedTuple):
    """What became of the newest attempt at one cell and seed."""

    status: str
    fingerprint: str | None
    attempt: int
    tuning: str | None = None
    """Every try of the tuning, as the column of that name has them; None if there were none."""


class Store:
    """The folder `root/suite`: where a driver's cells write, and what is there already.

    Making a Store touches nothing; the folders that its paths lie in are made when a path is asked for, and one that
    cannot be made or written to raises `BadInput`. `unreadable` names the files that the last reading had to leave out.
    """

    def __init__(self, root: Path | str, suite: str) -> None:
        self.suite = check_file_name(suite, "suite")
        self.folder = Path(root) / self.suite
        self.unreadable: list[Problem] = []

    def cell_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Where the rows of one attempt at a cell of an unsealed run are to be written, with `write_rows`."""
        folder = _writable(self.folder / _CELLS / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.parquet"

    def log_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Where the output of one attempt at a cell is kept."""
        folder = _writable(self.folder / "_logs" / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.log"

    def checkpoint_folder(self, cell_id: str) -> Path:
        """Where a cell that is killed finds what it had done, whichever run asks for it next."""
        return self.folder / "_checkpoints" / check_file_name(cell_id, "cell")

    def forget_checkpoint(self, cell_id: str) -> None:
        """Let a cell start over that was killed."""
        shutil.rmtree(self.checkpoint_folder(cell_id), ignore_errors=True)

    @property
    def recordings_folder(self) -> Path:
        """Return the folder of the recordings of routing, which cells make when they record."""
        return self.folder / RECORDINGS

    @property
    def report_folder(self) -> Path:
        """Where figures and the dashboard go."""
        return _writable(self.folder / "_report")

    @property
    def suite_record(self) -> Path:
        """Return the path of the question and claims of the suite, in a folder that exists."""
        return _writable(self.folder) / SUITE_RECORD

    @property
    def superseded_folder(self) -> Path:
        """Where rows lie that a newer attempt has replaced."""
        return self.folder / _SUPERSEDED

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The newest attempt at each cell and seed, sealed or not; all columns of the schema, or those named."""
        wanted = SCHEMA.names if columns is None else list(columns)
        table = self.attempts([*dict.fromkeys((*wanted, *NEEDED))])
        keep = newest(table)
        return (table if keep.all() else table.filter(keep)).select(wanted)

    def finished(self) -> dict[tuple[str, int], Finished]:
        """For each (cell_id, seed) with a row, whatever its status, what its newest attempt came to."""
        names = ("cell_id", "seed", "status", "fingerprint", "attempt", "tuning")
        values = [column.to_pylist() for column in self.rows(names).columns]
        return {
            (cell, seed): Finished(status, fingerprint, attempt or 1, tuning)
            for cell, seed, status, fingerprint, attempt, tuning in zip(*values, strict=True)
        }

    def attempts(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Every row of the unsealed cells and the sealed files, older attempts and equal copies included.

        Files that other drivers write or replace meanwhile are looked for until none is new, and what was once read
        stays, so that no finished cell is out of sight while it moves from one file to another.
        """
        tables: list[pa.Table] = []
        problems: list[Problem] = []
        seen: set[tuple[int, ...]] = set()
        for _ in range(_TRIES):
            # Cells come first: one that is sealed in between is then found among the sealed files.
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
        """End a run: its finished cells, and what other runs left unsealed, become one `RUN_ID.parquet`.

        Rows that these replace move to `_superseded/`. The files of other runs' cells stay where they are for a day,
        for their drivers may be alive and look for them. Returns the new file, or None where there was nothing to
        seal. Sealing a run twice is safe; a second file then gets a name of its own.
        """
        return sealing.seal(self, check_file_name(run_id, "run"))

    def seal_leftovers(self) -> Path | None:
        """The same for every unsealed run, whose cell files are removed: for runs whose driver is dead."""
        return sealing.seal(self, None)

    def add(self, table: pa.Table) -> Path | None:
        """Take in rows from elsewhere as one more sealed file; rows that are here already are passed over."""
        return sealing.add(self, table)

    def cell_files(self, run_id: str | None = None) -> list[Path]:
        """The files of unsealed cells, of one run or of all."""
        cells = self.folder / _CELLS
        if run_id is not None and not is_file_name(run_id):  # of a row that somebody else wrote
            return []
        return [path for run in (entries(cells) if run_id is None else [cells / run_id]) for path in _parquet(run)]

    def sealed_files(self) -> list[Path]:
        """The files that `pandas.read_parquet` reads."""
        return _parquet(self.folder)

    def superseded_files(self) -> list[Path]:
        """The files of rows that a newer attempt has replaced."""
        return _parquet(self.superseded_folder)

    def temporary_files(self) -> list[Path]:
        """Files that are being written, or that a killed writer left."""
        folders = [self.folder, *entries(self.folder), *entries(self.folder / _CELLS)]
        return [path for folder in folders for path in entries(folder) if is_temporary(path)]

    def strangers(self) -> list[Problem]:
        """Files that lie beside the sealed ones and that pandas would stumble over."""
        others = [path for path in entries(self.folder) if path.name[0] not in "._" and path.suffix != ".parquet"]
        what = "is no Parquet file; pandas.read_parquet of its folder fails over it"
        return [Problem(path, what) for path in others if path.is_file()]


def suite_names(root: Path | str) -> list[str]:
    """The suites with results, sealed or not, under `root`; empty where `root` is no folder."""
    stores = [Store(root, path.name) for path in entries(Path(root)) if is_file_name(path.name)]
    return [store.suite for store in stores if store.sealed_files() or store.cell_files()]


def concatenated(tables: Iterable[pa.Table], columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of `tables`, in order; none of them gives the schema's `columns` without rows."""
    # Not SCHEMA.empty_table(), which imports pandas; so does every conversion of Python values by Arrow.
    empty = conform(pa.table([pa.nulls(0, field.type) for field in SCHEMA], schema=SCHEMA), columns)
    parts = [empty, *tables]
    whole = pa.concat_tables(parts, promote_options="default")
    # Every later step over every column pays for each of its pieces.
    return whole.combine_chunks() if len(parts) > _MANY else whole


def _parquet(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix == ".parquet" and path.name[0] not in "._"]


def _version(path: Path) -> tuple[int, ...]:
    """What changes when a file is replaced; empty where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {folder}: {error.strerror}; --results takes another one") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"cannot write into the folder {folder}; --results takes another one")
    return folder
