"""All results of a folder as one table."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from moebench.errors import BadInput, unknown
from moebench.results.newest import NEEDED, newest
from moebench.results.parquet_files import Problem
from moebench.results.schema import SCHEMA
from moebench.results.store import Store, concatenated
from moebench.results.suite_folder import is_suite_folder, suite_names

if TYPE_CHECKING:
    import pandas as pd


class UnreadableFileWarning(UserWarning):
    """A result file was left out; the message names the file and the reason."""


def load(
    root: Path | str = "results", suite: str | None = None, columns: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Return results as one frame.

    The frame has one row for each suite, cell and seed: the newest attempt, sealed or not, whatever its status. Files
    of older versions are upgraded. A file that cannot be read is left out with an `UnreadableFileWarning`.

    Args:
        root: a results folder, or the folder of one suite in it.
        suite: one suite; None: all suites.
        columns: names of columns; None: all of `moebench.results.COLUMNS`.

    Raises:
        BadInput: the folder, the suite or a column does not exist, or there is no row at all.
    """
    table, problems = gather(root, suite, columns)
    for problem in problems:
        warnings.warn(f"left out: {problem}", UnreadableFileWarning, stacklevel=2)
    # Converting column by column, and freeing the Arrow copy on the way, halves the memory of a large table.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def gather(
    root: Path | str = "results", suite: str | None = None, columns: Sequence[str] | None = None
) -> tuple[pa.Table, list[Problem]]:
    """Return the result of `load` as an Arrow table, and the left-out files.

    pandas is not imported.

    Args:
        root: a results folder, or the folder of one suite in it.
        suite: one suite; None: all suites.
        columns: names of columns; None: all columns.

    Raises:
        BadInput: as `load`.
    """
    wanted = SCHEMA.names if columns is None else list(columns)
    for name in wanted:
        if name not in SCHEMA.names:
            raise unknown("column", name, SCHEMA.names)
    stores = chosen_stores(root, suite)
    read = [*dict.fromkeys((*wanted, *NEEDED))]
    table = concatenated([store.attempts(read) for store in stores], read)
    problems = [problem for store in stores for problem in store.unreadable]
    if not table.num_rows:
        raise BadInput(f"no row of results could be read in {root}" + "".join(f"; {p}" for p in problems))
    keep = newest(table)
    return (table if keep.all() else table.filter(keep)).select(wanted), problems


def located(root: Path | str, suite: str | None) -> tuple[Path, str | None]:
    """Return the results folder and the suite of a path.

    The path may be a results folder or the folder of one suite.

    Args:
        root: the path as a user gave it.
        suite: the suite that the user named; None: all suites, or the suite whose folder the path is.

    Raises:
        BadInput: the path is the folder of another suite.
    """
    root = Path(root)
    # An exported table may be in the results folder beside the suites.
    if not is_suite_folder(root) or suite_names(root):
        return root, suite
    whole = Path(os.path.abspath(root))
    if suite not in (None, whole.name):
        raise BadInput(f"{root} has the results of the suite '{whole.name}', not of '{suite}'.")
    return (root if root.name else whole).parent, whole.name


def chosen_stores(root: Path | str, suite: str | None) -> list[Store]:
    """Return the results of all suites of a path, or of the named suite.

    Args:
        root: a results folder, or the folder of one suite in it.
        suite: one suite; None: all suites.

    Raises:
        BadInput: the path has no results, or none of that suite.
    """
    root, suite = located(root, suite)
    known = suite_names(root)
    if suite is not None and suite not in known and known:
        raise unknown("suite among the results", suite, known)
    if known:
        return [Store(root, name) for name in known if suite in (None, name)]
    raise BadInput(
        f"no results in {root}"
        + (
            ": `moebench suite NAME` writes results, --results DIR reads another folder"
            if root.is_dir()
            else ": there is no such folder"
        )
    )
