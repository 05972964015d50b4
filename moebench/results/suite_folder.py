"""Name the paths of one suite on disk.

    results/SUITE/RUN_ID.parquet            sealed runs: what `pandas.read_parquet("results/SUITE")` sees
    results/SUITE/_cells/RUN_ID/*.parquet   finished cells of runs that are not sealed yet
    results/SUITE/_superseded/*.parquet     rows that a newer attempt has replaced; never removed
    results/SUITE/_logs/RUN_ID/*.log        what the cells printed
    results/SUITE/_running/RUN_ID.json      what a run is doing now, while it lasts
    results/SUITE/_checkpoints/CELL_ID/     what a killed cell resumes from; gone when its rows are there
    results/SUITE/_routing/*.parquet        recordings of the routing of single tokens
    results/SUITE/_report/                  figures and the dashboard
    results/SUITE/_suite.json               question and claims of the suite that was run last

pandas and pyarrow skip names that begin with `_` or `.`. How the first three change is told in `sealing`.
"""

import os
import shutil
from pathlib import Path

from moebench.errors import BadInput
from moebench.files import check_file_name, entries, is_file_name, is_temporary
from moebench.results.parquet_files import Problem

_CELLS = "_cells"
_SUPERSEDED = "_superseded"
SUITE_RECORD = "_suite.json"
RECORDINGS = "_routing"
"""Folder of the recordings of routing in the folder of a suite."""
SUITE_PARTS = (_CELLS, _SUPERSEDED, "_logs", "_running", "_checkpoints", "_report", RECORDINGS)
"""Folders inside the folder of a suite."""


class SuiteFolder:
    """The folder `root/suite`.

    Making a SuiteFolder touches nothing; the folders that its paths lie in are made when a path is asked for.

    Args:
        root: the results folder.
        suite: name of the suite.

    Raises:
        BadInput: the name cannot name a folder; later, a folder that cannot be made or written to.
    """

    def __init__(self, root: Path | str, suite: str) -> None:
        self.suite = check_file_name(suite, "suite")
        self.folder = Path(root) / self.suite

    def cell_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Return where `write_rows` puts the rows of one attempt at a cell of an unsealed run."""
        folder = _writable(self.folder / _CELLS / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.parquet"

    def log_file(self, run_id: str, cell_id: str, attempt: int) -> Path:
        """Return where the output of one attempt at a cell is written."""
        folder = _writable(self.folder / "_logs" / check_file_name(run_id, "run"))
        return folder / f"{check_file_name(cell_id, 'cell')}.{attempt}.log"

    def checkpoint_folder(self, cell_id: str) -> Path:
        """Return where a killed cell finds what it had done, whichever run needs the cell next."""
        return self.folder / "_checkpoints" / check_file_name(cell_id, "cell")

    def forget_checkpoint(self, cell_id: str) -> None:
        """Remove the checkpoint of a cell, so that the cell starts over."""
        shutil.rmtree(self.checkpoint_folder(cell_id), ignore_errors=True)

    @property
    def recordings_folder(self) -> Path:
        """Return the folder of the recordings of routing, which cells make when they record."""
        return self.folder / RECORDINGS

    @property
    def report_folder(self) -> Path:
        """Return the folder of figures and the dashboard."""
        return _writable(self.folder / "_report")

    @property
    def suite_record(self) -> Path:
        """Return the path of the question and claims of the suite, in a folder that exists."""
        return _writable(self.folder) / SUITE_RECORD

    @property
    def superseded_folder(self) -> Path:
        """Return the folder of rows that a newer attempt has replaced."""
        return self.folder / _SUPERSEDED

    def cell_folders(self) -> list[Path]:
        """Return the folders of unsealed cells, one for each run."""
        return entries(self.folder / _CELLS)

    def cell_files(self, run_id: str | None = None) -> list[Path]:
        """Return the files of unsealed cells, of one run or of all."""
        if run_id is not None and not is_file_name(run_id):  # of a row that somebody else wrote
            return []
        runs = self.cell_folders() if run_id is None else [self.folder / _CELLS / run_id]
        return [path for run in runs for path in _parquet(run)]

    def sealed_files(self) -> list[Path]:
        """Return the files that `pandas.read_parquet` reads."""
        return _parquet(self.folder)

    def superseded_files(self) -> list[Path]:
        """Return the files of rows that a newer attempt has replaced."""
        return _parquet(self.superseded_folder)

    def temporary_files(self) -> list[Path]:
        """Return files that are being written, or that a killed writer left."""
        folders = [self.folder, *entries(self.folder), *self.cell_folders()]
        return [path for folder in folders for path in entries(folder) if is_temporary(path)]

    def strangers(self) -> list[Problem]:
        """Return files that lie beside the sealed ones and that pandas cannot read."""
        others = [path for path in entries(self.folder) if path.name[0] not in "._" and path.suffix != ".parquet"]
        what = "is no Parquet file; pandas.read_parquet of its folder fails over it"
        return [Problem(path, what) for path in others if path.is_file()]


def suite_names(root: Path | str) -> list[str]:
    """Return the suites with results, sealed or not, under `root`; none if `root` is no folder."""
    folders = [SuiteFolder(root, path.name) for path in entries(Path(root)) if is_file_name(path.name)]
    return [each.suite for each in folders if each.sealed_files() or each.cell_files()]


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
