"""The result table: its schema, its writers and its readers.

The writers lose no row; the readers return one frame.

    store = Store("results", "scaling-experts")
    write_rows(rows, store.cell_file(run_id, cell_id, attempt))  # one file for each finished cell
    store.finished()                                             # cells that need no further run
    store.seal(run_id)                                           # one file for each run
    frame = load("results", "scaling-experts")                   # one row for each cell and seed

`pandas.read_parquet("results/scaling-experts")` gives the sealed rows of a suite without any of this code. pandas is
imported by `load` only.
"""

from moebench.results.export import export
from moebench.results.loading import UnreadableFileWarning, chosen_stores, gather, load, located
from moebench.results.maintenance import Run, merge, runs, verify
from moebench.results.parquet_files import Problem, write_rows
from moebench.results.run_status import RunStatus, statuses
from moebench.results.schema import COLUMNS, SCHEMA, SCHEMA_VERSION, STATUSES, Column
from moebench.results.store import Finished, Store
from moebench.results.suite_folder import suite_names
from moebench.results.test_time import at_test_time

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "STATUSES",
    "Column",
    "Finished",
    "Problem",
    "Run",
    "RunStatus",
    "Store",
    "UnreadableFileWarning",
    "at_test_time",
    "chosen_stores",
    "export",
    "gather",
    "load",
    "located",
    "merge",
    "runs",
    "statuses",
    "suite_names",
    "verify",
    "write_rows",
]
