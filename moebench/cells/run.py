"""One cell from specification to rows: build, count, compile, time, train, evaluate.

The cell program is `python -m moebench.cells SPEC.json OUT.parquet`. It owns its device, and the process that starts
the program needs no JAX.
"""

import math
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from moebench import data
from moebench.cells.compile import Executables, schedule
from moebench.cells.cost_columns import costs, efficiency
from moebench.cells.images import dataset, pairs
from moebench.cells.log import say
from moebench.cells.program_cache import CacheUse
from moebench.cells.queries import prepare, resolve
from moebench.cells.recording import Place
from moebench.cells.resolve import resolve_cell
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.seed_rows import Read, ReadPairs, SeedRunner
from moebench.cells.time_columns import timings
from moebench.cells.tune import tune
from moebench.cells.turns import Turns
from moebench.errors import BadInput
from moebench.measuring import environment
from moebench.measuring.environment import pin_jax_settings
from moebench.measuring.time_accounts import Accounts
from moebench.measuring.timing.trace import STEPS, trace_steps
from moebench.results.parquet_files import write_rows
from moebench.spec.cell_spec import CellSpec
from moebench.spec.job_record import JobRecord
from moebench.spec.records import read_record
from moebench.training import LayerProgram, join_processes
from moebench.training.checkpoints import Checkpoints

__all__ = ["environment", "main", "prepare", "resolve", "run"]

Row = dict[str, Any]


def run(
    spec: CellSpec,
    checkpoints: Checkpoints,
    read: Read = dataset,
    models: Path | None = None,
    recordings: Place | None = None,
    tuning: str | None = None,
    read_pairs: ReadPairs = pairs,
    trace: Path | None = None,
) -> Iterator[Row]:
    """Run a cell and yield one row for each seed.

    Only the part that the checkpoints leave to do is run.

    Args:
        spec: the specification.
        checkpoints: checkpoints of the cell.
        read: returns the images of a data set at a size.
        models: folder of saved models; None takes `_models` beside the checkpoints.
        recordings: where recordings of the routing go; None records nothing.
        tuning: tries that earlier seeds of the cell recorded, as in the column `tuning`; None trains all tries.
        read_pairs: returns image-text pairs at a size.
        trace: folder of a profile of ten training steps; None writes none.

    Yields:
        The columns of a seed, without the identity columns of the driver.

    Raises:
        BadInput: the specification cannot be built.
    """
    accounts, cache, started_at = Accounts(), CacheUse(), datetime.now(UTC)
    turns, cell = Turns.from_environment(os.environ, accounts), resolve_cell(spec)
    with turns.working():
        if spec.scope == "layer":
            shared = _layer_columns(cell, accounts, turns, cache, trace)
            seeds: dict[int, Row] = {seed: {"status": "ok"} for seed in spec.seeds}
        else:
            models = models or checkpoints.folder.with_name("_models")
            runner = SeedRunner.compile(cell, read, models, checkpoints, accounts, turns, recordings, read_pairs)
            shared = {**_static_columns(cell, runner.executables), "test_set": runner.test_set}
            shared |= _time_columns(cell, runner.executables, runner.images.train, accounts, turns, cache, shared)
            _trace(cell, runner.executables, runner.images.train, turns, trace)
            tuned = tune(runner, tuning)
            shared |= tuned.columns
            seeds = {seed: tuned.failure or runner.row(seed, tuned.schedule, shared) for seed in spec.seeds}
    shared |= {"started_at": started_at, **turns.columns, **accounts.columns(), **cache.columns()}
    for seed in spec.seeds:
        yield shared | seeds[seed] | {"seed": seed}


def _static_columns(cell: ResolvedCell, executables: Executables) -> Row:
    """Return the columns that need no run: inputs, costs and environment."""
    devices = {"device_count": math.prod(cell.spec.mesh_shape)}
    return {**cell.inputs, **environment(), **devices, **costs(cell, executables)}


def _time_columns(
    cell: ResolvedCell,
    executables: Executables,
    images: data.Split,
    accounts: Accounts,
    turns: Turns,
    cache: CacheUse,
    shared: Row,
) -> Row:
    """Return the time columns; an empty row for a cell without a timing budget."""
    if not cell.spec.timing_budget_s:
        return {}
    if jax.process_count() > 1:
        say("not timed: each process would end its timing by its own clock, and wait for the other processes")
        return {}
    say("timing beside the dense twin")
    timed = timings(cell, executables, images, accounts, turns, cache)
    return timed | efficiency(cell, shared | timed)


def _trace(cell: ResolvedCell, executables: Executables, images: data.Split, turns: Turns, folder: Path | None) -> None:
    """Write a profile of ten training steps with one batch, if `folder` is given."""
    if folder is None:
        return
    say(f"tracing {STEPS} training steps into {folder}")
    batch = next(data.batches(images, cell.spec.batch, 1, 0))
    with turns.alone():
        trace_steps(executables.train_step_call(batch), folder)


def _layer_columns(cell: ResolvedCell, accounts: Accounts, turns: Turns, cache: CacheUse, trace: Path | None) -> Row:
    """Return the columns of a layer that is timed alone."""
    say(f"a layer of {cell.spec.model}, {cell.label}: compiling")
    program = LayerProgram(cell.model, schedule(cell.spec), cell.spec.batch)
    with accounts.spending("compile_s"):
        executables = Executables.compile(program)
    shared, tokens = _static_columns(cell, executables), program.random_tokens()
    shared |= _time_columns(cell, executables, tokens, accounts, turns, cache, shared)
    _trace(cell, executables, tokens, turns, trace)
    return shared


def main(arguments: list[str]) -> int:
    """Run the cell program and return its exit code.

    The code is 0 when the rows are written, and 2 for a specification that cannot be built. JAX's settings of
    randomness and of 64-bit mode are fixed, whatever the environment variables.
    """
    if len(arguments) != 2:
        print("usage: python -m moebench.cells SPEC.json OUT.parquet", file=sys.stderr)
        return 2
    pin_jax_settings()
    source, out = map(Path, arguments)
    try:
        join_processes(os.environ)
        job = read_record(source, JobRecord, "job")
        identity = job.identity.model_dump()
        owner = {key: identity[key] for key in ("cell_id", "fingerprint")}
        folder = Path(job.checkpoints or out.with_name(f"_{out.stem}"))
        checkpoints = Checkpoints(folder, owner, job.spec.checkpoint_every_s, say)
        recordings = Place(Path(job.recordings or out.with_name("_routing")), identity)
        models = Path(job.models) if job.models else None
        trace = Path(job.trace) if job.trace else None
        rows = list(run(job.spec, checkpoints, models=models, recordings=recordings, tuning=job.tuning, trace=trace))
    except BadInput as mistake:
        print(mistake, file=sys.stderr)
        return 2
    if jax.process_index() == 0:
        write_rows([identity | row for row in rows], out)
        checkpoints.remove()
    return 0
