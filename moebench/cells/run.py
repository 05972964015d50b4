"""One cell from specification to record: build, count, compile, time, train, evaluate.

A program of its own, `python -m moebench.cells SPEC.json OUT.parquet`: it owns its device, and whoever starts it
needs no JAX.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from moebench import data
from moebench.cells.compile import Executables, program_for, schedule
from moebench.cells.cost_columns import costs, efficiency
from moebench.cells.resolve import ResolvedCell, dataset, prepare, resolve, resolve_cell
from moebench.cells.time_columns import timings
from moebench.cells.transfer import Initializer, PretrainingDiverged, kept, with_channels
from moebench.errors import BadInput
from moebench.evaluation.columns import evaluation_columns, input_columns, training_columns
from moebench.evaluation.few_shot import Probe
from moebench.evaluation.test_time_sweep import Sweep
from moebench.measuring import environment
from moebench.measuring.environment import pin_jax_settings
from moebench.measuring.time_accounts import Accounts
from moebench.results.parquet_files import write_rows
from moebench.spec.cell_spec import CellSpec
from moebench.training import (
    LayerProgram,
    Progress,
    TrainState,
    compiled,
    evaluate,
    evaluation_batch,
    join_processes,
    train,
)
from moebench.training.checkpoints import Checkpoints

__all__ = ["environment", "main", "prepare", "resolve", "run"]

Row = dict[str, Any]


def run(
    spec: CellSpec,
    checkpoints: Checkpoints,
    read: Callable[[str, int | None], data.Dataset] = dataset,
    models: Path | None = None,
) -> Iterator[Row]:
    """Run a cell, or what its checkpoints leave of it; one row for each seed, without the driver's identity columns.

    Args:
        spec: what was asked for.
        checkpoints: what is kept of the cell while it runs.
        read: gives the images of a data set at a size.
        models: folder of the models that are kept for other cells; None: beside the checkpoints.

    Raises:
        BadInput: the specification cannot be built.
    """
    accounts, started_at = Accounts(), datetime.now(UTC)
    cell = resolve_cell(spec)
    if spec.scope == "layer":
        row = {"started_at": started_at, **_of_layer(cell, accounts), "status": "ok", **accounts.columns()}
        yield from (row | {"seed": seed} for seed in spec.seeds)
        return
    models = models or checkpoints.folder.with_name("_models")
    images = with_channels(read(cell.spec.data, cell.spec.image_size), cell.model.channels)
    origin = Initializer(cell, models, read, say) if cell.spec.pretrain_data or cell.spec.init_from else None
    probe: Probe | None = None
    say(f"{cell.label} on {spec.model}, {spec.data}: compiling")
    with accounts.spending("compile_s"):
        executables = Executables.compile(program_for(cell.model, spec))
        program = executables.program
        batch = evaluation_batch(len(images.test), spec.batch, cell.model.group_images * program.shards)
        some_images, labels = program.abstract_batch(batch)
        weights = jax.ShapeDtypeStruct(labels.shape, jnp.float32, sharding=labels.sharding)
        evaluating = compiled(program.evaluate, program.abstract_state, some_images, labels, weights)
    shared: Row = {"started_at": started_at, **known(cell, executables)}
    if spec.timing_budget_s and jax.process_count() > 1:
        say("not timed: each of several processes would end its timing by its own clock, and wait for the others")
    elif spec.timing_budget_s:
        say("timing beside the dense twin")
        shared |= timings(cell, executables, images.train, accounts)
        shared |= efficiency(cell, shared)
    sweep: Sweep | None = None
    for seed in spec.seeds:
        if seed in checkpoints.rows:
            say(f"seed {seed}: kept from before")
            continue
        initial_state = executables.fresh(seed)
        probed: Row = {}
        if origin is not None:
            try:
                with accounts.spending("pretrain_s"):
                    initial_state = origin.initial_state(initial_state, seed)
            except PretrainingDiverged as reason:
                checkpoints.finish(seed, {"status": "diverged", "status_reason": str(reason)})
                continue
            with accounts.spending("few_shot_s"):
                probe = probe or Probe(program, images, batch)
                probed = probe.evaluate(initial_state, seed)
        if cell.settings and sweep is None:  # what cannot be compiled is to end the cell before its training
            with accounts.spending("test_time_s"):
                sweep = Sweep(cell, program, batch)
        start = checkpoints.progress(seed, program.abstract_state) or Progress(initial_state)
        say(f"seed {seed}: training {spec.steps} steps")
        done, augment = len(start.losses), cell.spec.augment or "none"
        feed = data.Prefetcher(
            data.batch_thunks(images.train, spec.batch, spec.steps, seed, done=done, augment=augment)
        )
        with accounts.spending("training_s"):
            training = train(
                program.with_host_batch(executables.train_step), start, feed, partial(checkpoints.offer, seed)
            )
        outcome: Row = (
            probed | training_columns(training, spec.clip_norm) | input_columns(feed, training.wall_s - start.wall_s)
        )
        if training.diverged_step is None:
            with accounts.spending("evaluation_s"):
                evaluation = evaluate(program.with_host_batch(evaluating), training.state, images.test, batch)
            outcome |= evaluation_columns(evaluation, cell.model, shared["flops_experts"])
            say(f"seed {seed}: accuracy {evaluation.accuracy:.4f} after {training.wall_s:.1f} s")
            if spec.save_model:
                outcome["saved_model"] = kept(cell, training.state, seed, models, say)
            if sweep is not None:
                with accounts.spending("test_time_s"):
                    outcome["test_time"] = _tried(sweep, training.state, images.test, shared, seed)
        checkpoints.finish(seed, outcome)
    shared |= accounts.columns()
    for seed in spec.seeds:
        yield shared | checkpoints.rows[seed] | {"seed": seed}


def _tried(sweep: Sweep, state: TrainState, test: data.Split, shared: Row, seed: int) -> list[Row] | None:
    """The trained model in its settings; None where one needs more memory than there is: the training is not lost."""
    try:
        return sweep.evaluate(state, test, shared["flops_forward_per_image"])
    except jax.errors.JaxRuntimeError as fault:
        say(f"seed {seed}: not tried in other settings: {str(fault).splitlines()[0]}")
        return None


def known(cell: ResolvedCell, executables: Executables) -> Row:
    """The columns that need no run: inputs, costs and environment."""
    devices = {"device_count": math.prod(cell.spec.mesh_shape)}
    return {**cell.inputs, **environment(), **devices, **costs(cell, executables)}


def _of_layer(cell: ResolvedCell, accounts: Accounts) -> Row:
    """The columns of a layer that is timed alone."""
    say(f"a layer of {cell.spec.model}, {cell.label}: compiling")
    program = LayerProgram(cell.model, schedule(cell.spec), cell.spec.batch)
    with accounts.spending("compile_s"):
        executables = Executables.compile(program)
    row = known(cell, executables)
    say("timing beside the dense MLP")
    row |= timings(cell, executables, program.random_tokens(), accounts)
    return row | efficiency(cell, row)


def say(what: str) -> None:
    """A line for the cell's log."""
    print(what, flush=True)


def main(arguments: list[str]) -> int:
    """Run the cell program; return 0 when its rows are written, 2 for a specification that cannot be built.

    JAX's settings of randomness and of 64-bit mode are pinned, whatever the environment says.
    """
    if len(arguments) != 2:
        print("usage: python -m moebench.cells SPEC.json OUT.parquet", file=sys.stderr)
        return 2
    pin_jax_settings()
    source, out = map(Path, arguments)
    asked: Mapping[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    identity = asked["identity"]
    # A driver names a folder that its next run finds again.
    folder = Path(asked.get("checkpoints") or out.with_name(f"_{out.stem}"))
    try:
        join_processes(os.environ)
        spec = CellSpec.model_validate_json(json.dumps(asked["spec"]))
        owner = {key: identity[key] for key in ("cell_id", "fingerprint")}
        checkpoints = Checkpoints(folder, owner, spec.checkpoint_every_s, say)
        models = Path(asked["models"]) if "models" in asked else None
        rows = list(run(spec, checkpoints, models=models))
    except BadInput as mistake:
        print(mistake, file=sys.stderr)
        return 2
    if jax.process_index() == 0:
        write_rows([identity | row for row in rows], out)
        checkpoints.remove()
    return 0
