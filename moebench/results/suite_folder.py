"""The paths of one suite on disk.

    results/SUITE/RUN_ID.parquet                  sealed runs: the table that pandas, polars and DuckDB read
    results/_files/SUITE/cells/RUN_ID/*.parquet   finished cells of runs that are not sealed yet
    results/_files/SUITE/superseded/*.parquet     rows that a newer attempt has replaced; never removed
    results/_files/SUITE/logs/RUN_ID/*.log        output of the cells
    results/_files/SUITE/running/RUN_ID.json      status of a run, until it ends
    results/_files/SUITE/checkpoints/CELL_ID/     state from which a killed cell resumes; removed when it has rows
    results/_files/SUITE/routing/*.parquet        recordings of the routing of single tokens
    results/_files/SUITE/report/                  figures and the dashboard
    results/_files/SUITE/suite.json               question and claims of the suite that was run last

pandas and pyarrow skip names that begin with `_` or `.`; polars and DuckDB skip none, so that only tables are in the
folder of a suite. `sealing` describes how the first three change.

Earlier versions wrote all files into the folder of the suite (`results/SUITE/_cells` and so on). Files there are still
found, and `adopt_earlier_files` moves them.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from moebench.errors import BadInput
from moebench.files import check_file_name, entries, is_file_name, is_temporary
from moebench.results.parquet_files import Problem

FILES = "_files"
"""Folder, inside a results folder, of all files that are no tables, by suite."""
PARTS = ("cells", "superseded", "logs", "running", "checkpoints", "routing", "report")
"""Folders of a suite's files that are no tables."""
_RECORD = "suite.json"


class SuiteFolder:
    """The table `root/suite`, and the folder `root/_files/suite` of the suite's other files.

    Making a SuiteFolder touches nothing; folders are made when a path inside them is requested.

    Args:
        root: the results folder.
        suite: name of the suite.

    Raises:
        BadInput: the name cannot name a folder; later, a folder cannot be made or written to.
    """

    def __init__(self, root: Path | str, suite: str) -> None:
        self.suite = check_file_name(suite, "suite")
        self.root = Path(root)
        self.folder = self.root / self.suite
        self.files = self.root / FILES / self.suite

    def cell_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Return the file for the rows of one attempt at a cell.

        The cell's run is unsealed.
        """
        _writable(self.folder)  # so that the suite is listed before it has sealed files
        folder = _writable(self.files / "cells" / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.parquet"

    def log_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Return the file for the output of one attempt at a cell."""
        folder = _writable(self.files / "logs" / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.log"

    def checkpoint_folder(self, cell_id: str) -> Path:
        """Return the folder of a cell's checkpoint, whichever run needs the cell next."""
        return self.files / "checkpoints" / check_file_name(cell_id, "cell")

    def forget_checkpoint(self, cell_id: str) -> None:
        """Remove the checkpoint of a cell, so that the cell starts over."""
        shutil.rmtree(self.checkpoint_folder(cell_id), ignore_errors=True)

    @property
    def running_folder(self) -> Path:
        """Folder in which drivers publish the status of their runs."""
        return self.files / "running"

    @property
    def recordings_folder(self) -> Path:
        """Folder in which cells publish recordings of routing."""
        return self.files / "routing"

    def recording_folders(self) -> list[Path]:
        """Return the folders that may contain recordings of routing."""
        return self._places("routing")

    @property
    def report_folder(self) -> Path:
        """Folder of the figures and the dashboard."""
        return _writable(self.files / "report")

    @property
    def superseded_folder(self) -> Path:
        """Folder of the rows that a newer attempt has replaced."""
        return self.files / "superseded"

    @property
    def suite_record(self) -> Path:
        """File with question and claims of the suite."""
        return _writable(self.files) / _RECORD

    def find_suite_record(self) -> Path | None:
        """Return the file with question and claims of the suite; None if there is none."""
        return next((path for path in (self.files / _RECORD, self.folder / f"_{_RECORD}") if path.is_file()), None)

    def cell_folders(self) -> list[Path]:
        """Return the folders of unsealed cells, one for each run.

        After an update of moebench, a run may have more than one folder.
        """
        return [run for place in self._places("cells") for run in entries(place)]

    def cell_files(self, run_id: str | None = None) -> list[Path]:
        """Return the files of unsealed cells, of one run or of all."""
        return [path for run in self.cell_folders() if run_id in (None, run.name) for path in _parquet(run)]

    def superseded_files(self) -> list[Path]:
        """Return the files of rows that a newer attempt has replaced."""
        return [path for place in self._places("superseded") for path in _parquet(place)]

    def adopt_earlier_files(self) -> None:
        """Move the files that earlier versions wrote into the folder of the table.

        Files are renamed one after the other, so that a kill or a second driver loses no file.
        """
        for part in PARTS:
            for path in _files_below(old := self.folder / f"_{part}"):
                _move(path, self.files / part / path.relative_to(old))
            _remove_empty_folders(old)
        _move(self.folder / f"_{_RECORD}", self.files / _RECORD)

    def sealed_files(self) -> list[Path]:
        """Return the files of the table, which `pandas.read_parquet` reads."""
        return _parquet(self.folder)

    def temporary_files(self) -> list[Path]:
        """Return files that are being written, or that a killed writer left."""
        folders = [self.folder, *entries(self.folder), *entries(self.files), *self.cell_folders()]
        return [path for folder in folders for path in entries(folder) if is_temporary(path)]

    def strangers(self) -> list[Problem]:
        """Return files that are beside the sealed ones and that pandas cannot read."""
        others = [path for path in entries(self.folder) if path.name[0] not in "._" and path.suffix != ".parquet"]
        what = "is no Parquet file; pandas.read_parquet of its folder fails because of it"
        return [Problem(path, what) for path in others if path.is_file()]

    def _places(self, part: str) -> list[Path]:
        """Return the folder of a part, and the folder that earlier versions used."""
        return [self.files / part, self.folder / f"_{part}"]


def suite_folders(root: Path | str) -> list[SuiteFolder]:
    """Return the folders under `root` that may be suites, sorted by name.

    The list is empty if `root` is no folder.
    """
    root = Path(root)
    names = {path.name for path in [*entries(root), *entries(root / FILES)] if is_file_name(path.name)}
    return [SuiteFolder(root, name) for name in sorted(names)]


def suite_names(root: Path | str) -> list[str]:
    """Return the suites with results under `root`, sealed or not.

    The list is empty if `root` is no folder.
    """
    return [each.suite for each in suite_folders(root) if each.sealed_files() or each.cell_files()]


def is_suite_folder(path: Path) -> bool:
    """Return whether a path is the folder of one suite.

    A suite's folder is found by its tables or by its other files.
    """
    path = Path(os.path.abspath(path))
    inside = any(each.suffix == ".parquet" or each.name in {f"_{part}" for part in PARTS} for each in entries(path))
    return inside or (path.parent / FILES / path.name).is_dir()


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _move(path: Path, to: Path) -> None:
    """Rename a file, unless the file has vanished or the new name is taken."""
    if to.exists() or not path.exists():
        return
    with contextlib.suppress(FileNotFoundError):
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)


def _remove_empty_folders(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # not empty: a file whose new name is taken stays
            os.rmdir(parent)


def _parquet(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.suffix == ".parquet" and path.name[0] not in "._"]


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make the folder {folder}: {error.strerror}; --results takes another one") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"cannot write into the folder {folder}; --results takes another one")
    return folder
