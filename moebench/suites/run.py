"""Run a plan: yield events for an observer, and store the rows.

Every cell and seed has one row.
"""

import json
import math
import secrets
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moebench.executors import Ended, Executor, Job, Started
from moebench.files import publishing
from moebench.results import SCHEMA, Store, write_rows
from moebench.spec.limits import Limits
from moebench.suites.heartbeat import announcing
from moebench.suites.plan import PlannedCell

_TESTED = ("accuracy", "zero_shot_seen")
"""Columns of a cell's quality; at the end of a cell the first one with values is shown."""


@dataclass(frozen=True)
class CellStarted:
    """A cell began."""

    planned: PlannedCell
    log: Path
    """The file for the cell's output; it may be on another machine, and appear when the cell has ended."""


@dataclass(frozen=True)
class CellEnded:
    """A cell ended and its rows are on disk."""

    planned: PlannedCell
    seconds: float
    status: str
    """ok if every seed succeeded, else the first other status."""
    reason: str | None
    accuracy: float | None
    """Mean over the seeds that succeeded; None if they were not tested."""
    tested: str = "accuracy"
    """Column whose mean `accuracy` is: zero_shot_seen for two towers."""


def new_run_id() -> str:
    """Return a name for a run that sorts by time and is unique among drivers."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def run_cells(
    cells: Sequence[PlannedCell],
    *,
    suite: str,
    store: Store,
    run_id: str,
    executor: Executor,
    limits: Limits,
    trace: Path | None = None,
) -> Generator[CellStarted | CellEnded, None, None]:
    """Run the planned seeds of each cell; seal the finished results, however the run ends.

    A cell that leaves no rows gets rows from the driver, with status, reason and log.

    Args:
        cells: cells with the seeds to run.
        suite: name of the suite.
        store: stores the rows.
        run_id: name of the run.
        executor: runs the cells.
        limits: time and memory of a cell.
        trace: folder for a profile of each cell, in a folder of its own; None writes none.

    Yields:
        The start and the end of each cell.
    """
    by_id = {planned.cell_id: planned for planned in cells}
    began: dict[str, datetime] = {}
    root = store.root
    jobs = [_job(planned, suite, store, run_id, limits, trace) for planned in cells]
    try:
        with announcing(root, suite, run_id, len(jobs)) as announcement:
            for event in executor.run(jobs):
                planned = by_id[event.job.name]
                if isinstance(event, Started):
                    began[planned.cell_id] = datetime.now(UTC)
                    announcement.started(planned.label)
                    yield CellStarted(planned, event.job.log)
                    continue
                if event.status is not None:
                    identity = _identity(planned, suite, run_id) | {"started_at": began[planned.cell_id]}
                    rows = _failed_rows(planned, event, identity, executor.environment())
                    write_rows(rows, event.job.out)
                ended = _ended(planned, event)
                announcement.ended(planned.label, ended.status)
                yield ended
    finally:
        store.seal(run_id)


def _job(planned: PlannedCell, suite: str, store: Store, run_id: str, limits: Limits, trace: Path | None) -> Job:
    if planned.fresh:
        store.forget_checkpoint(planned.cell_id)
    log = store.log_file(run_id, planned.cell_id, planned.attempt)
    spec = log.with_suffix(".json")  # beside the log, so that a failed cell can be run again by hand
    cell_spec = planned.cell.with_seeds(planned.seeds).spec.as_json()
    content = {
        "spec": cell_spec,
        "identity": _identity(planned, suite, run_id),
        "checkpoints": str(store.checkpoint_folder(planned.cell_id).absolute()),
        "models": str((store.root / "_models").absolute()),
        "recordings": str(store.recordings_folder.absolute()),
        "tuning": planned.tuning,
        "trace": None if trace is None else str(trace.absolute() / trace_name(planned)),
    }
    with publishing(spec) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    out = store.cell_file(run_id, planned.cell_id, planned.attempt)
    return Job(planned.cell_id, spec, out, log, limits, math.prod(planned.cell.spec.mesh_shape))


def trace_name(planned: PlannedCell) -> str:
    """Return the name of the folder of a cell's trace: its router and its id."""
    return f"{planned.cell.spec.router}-{planned.cell_id}"


def _identity(planned: PlannedCell, suite: str, run_id: str) -> dict[str, Any]:
    return {
        "suite": suite,
        "run_id": run_id,
        "cell_id": planned.cell_id,
        "fingerprint": planned.fingerprint,
        "attempt": planned.attempt,
    }


def _failed_rows(
    planned: PlannedCell, end: Ended, identity: Mapping[str, Any], environment: Mapping[str, Any]
) -> list[dict[str, Any]]:
    known = {key: value for key, value in {**environment, **planned.inputs}.items() if key in SCHEMA.names}
    reason = f"{end.reason} (log: {end.job.log})"
    outcome = {"status": end.status, "status_reason": reason, "cell_wall_s": end.seconds}
    return [{**known, **identity, **outcome, "seed": seed} for seed in planned.seeds]


def _ended(planned: PlannedCell, end: Ended) -> CellEnded:
    rows = _rows(end.job.out)
    worst: Mapping[str, Any] = next((row for row in rows if row["status"] != "ok"), {"status": "ok"})
    ended = CellEnded(planned, end.seconds, worst["status"], worst.get("status_reason"), None)
    for tested in _TESTED:
        good = [row[tested] for row in rows if row["status"] == "ok" and row[tested] is not None]
        if good:
            return replace(ended, accuracy=sum(good) / len(good), tested=tested)
    return ended


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read(["seed", "status", "status_reason", *_TESTED])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
