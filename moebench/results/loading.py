"""All results of a folder as one table."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from moebench.errors import BadInput, unknown
from moebench.files import entries
from moebench.results.newest import NEEDED, newest
from moebench.results.parquet_files import Problem
from moebench.results.schema import SCHEMA
from moebench.results.store import Store, concatenated, suite_names

if TYPE_CHECKING:
    import pandas as pd


class UnreadableFileWarning(UserWarning):
    """A result file was left out; the message names it and says why."""


def load(
    root: Path | str = "results", suite: str | None = None, columns: Sequence[str] | None = None
) -> "pd.DataFrame":
    """The results under `root`, of one suite or of all, as one frame.

    One row for each suite, cell and seed: the newest attempt, whether its run is sealed or not, whatever its status.
    Columns are those of `moebench.results.COLUMNS`, or the `columns` named; files of older versions are upgraded.
    A file that cannot be read is left out with an `UnreadableFileWarning`. No such folder, suite or column, or no
    row at all, raises `BadInput`.
    """
    table, problems = gather(root, suite, columns)
    for problem in problems:
        warnings.warn(f"left out: {problem}", UnreadableFileWarning, stacklevel=2)
    # Copying by column and letting go of the Arrow copy on the way halves the memory of a large table.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def gather(
    root: Path | str = "results", suite: str | None = None, columns: Sequence[str] | None = None
) -> tuple[pa.Table, list[Problem]]:
    """What `load` loads, as an Arrow table, and the files that had to be left out; without pandas."""
    wanted = SCHEMA.names if columns is None else list(columns)
    for name in wanted:
        if name not in SCHEMA.names:
            raise unknown("column", name, SCHEMA.names)
    stores = [Store(root, name) for name in chosen_suites(Path(root), suite)]
    read = [*dict.fromkeys((*wanted, *NEEDED))]
    table = concatenated([store.attempts(read) for store in stores], read)
    problems = [problem for store in stores for problem in store.unreadable]
    if not table.num_rows:
        raise BadInput(f"no row of results could be read in {root}" + "".join(f"; {p}" for p in problems))
    keep = newest(table)
    return (table if keep.all() else table.filter(keep)).select(wanted), problems


def chosen_suites(root: Path, suite: str | None) -> list[str]:
    """All suites with results under `root`, or the one named; `BadInput` where there is none."""
    known = suite_names(root)
    if suite is not None and suite not in known and known:
        raise unknown("suite among the results", suite, known)
    if known:
        return known if suite is None else [suite]
    if any(path.suffix == ".parquet" for path in entries(root)):
        raise BadInput(
            f"{root} is the folder of one suite: give its parent '{root.parent}' and the suite '{root.name}'"
        )
    raise BadInput(
        f"no results in {root}"
        + (
            ": `moebench suite NAME` writes some, --results DIR looks in another folder"
            if root.is_dir()
            else ": there is no such folder"
        )
    )
