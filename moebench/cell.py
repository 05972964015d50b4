"""One cell from specification to record: build, count, compile, time, train, evaluate.

A program of its own, `python -m moebench.cell SPEC.json OUT.parquet`: it owns its device, and whoever starts it
needs no JAX.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench import data, results
from moebench.checkpoints import Checkpoints
from moebench.errors import BadInput
from moebench.measuring import (
    Comparison,
    Interval,
    compare,
    compiler_flops,
    count_parameters,
    environment,
    operations,
    peak_bytes,
)
from moebench.models import VitConfig
from moebench.resolving import ResolvedCell, dataset, resolve, resolve_cell
from moebench.routers import RoutingCounts
from moebench.specification import CellSpec
from moebench.training import (
    Program,
    Progress,
    Schedule,
    Training,
    TrainState,
    WideProgram,
    compiled,
    compiled_in_haste,
    evaluate,
    evaluation_batch,
    join_processes,
    mesh,
    train,
)

__all__ = ["environment", "main", "resolve", "run"]

Row = dict[str, Any]

BY_EXPERT = ("expert_load", "expert_demand")


@dataclass(frozen=True)
class Executables:
    """The compiled programs of a model, and the state and batch they start from."""

    init: jax.stages.Compiled
    train_step: jax.stages.Compiled
    infer: jax.stages.Compiled
    program: Program

    @classmethod
    def of(cls, program: Program) -> "Executables":
        """Compile for the shapes of the training batch."""
        state, (images, labels) = program.abstract_state, program.abstract_batch(program.batch)
        return cls(
            init=compiled_in_haste(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32))),
            train_step=compiled(program.train_step, state, images, labels, donate=(0,)),
            infer=compiled(program.infer, state, images),
            program=program,
        )

    def fresh(self, seed: int) -> TrainState:
        """The state before the first step."""
        state: TrainState = self.init(np.asarray(seed, np.int32))
        return state


def run(spec: CellSpec, checkpoints: Checkpoints) -> Iterator[Row]:
    """Run a cell, or what its checkpoints leave of it; one row for each seed, without the driver's identity columns.

    Raises:
        BadInput: the specification cannot be built.
    """
    began, started_at = time.perf_counter(), datetime.now(UTC)
    cell = resolve_cell(spec)
    images = dataset(spec.data)
    say(f"{cell.label} on {spec.model}, {spec.data}: compiling")
    compiling = time.perf_counter()
    executables = Executables.of(program_for(cell.model, spec))
    program = executables.program
    batch = evaluation_batch(len(images.test), spec.batch, cell.model.group_images * program.shards)
    some_images, labels = program.abstract_batch(batch)
    weights = jax.ShapeDtypeStruct(labels.shape, jnp.float32, sharding=labels.sharding)
    evaluating = compiled(program.evaluate, program.abstract_state, some_images, labels, weights)
    compile_s = time.perf_counter() - compiling
    shared: Row = {
        "started_at": started_at,
        **cell.inputs,
        **environment(),
        "device_count": math.prod(spec.mesh_shape),
        **costs(cell, executables),
        "compile_s": compile_s,
        "train_peak_bytes": peak_bytes(executables.train_step),
        "infer_peak_bytes": peak_bytes(executables.infer),
    }
    if spec.timing_budget_s and jax.process_count() > 1:
        say("not timed: each of several processes would end its timing by its own clock, and wait for the others")
    elif spec.timing_budget_s:
        say("timing beside the dense twin")
        shared |= timings(cell, executables, images.train)
    for seed in spec.seeds:
        if seed in checkpoints.rows:
            say(f"seed {seed}: kept from before")
            continue
        start = checkpoints.progress(seed, program.abstract_state) or Progress(executables.fresh(seed))
        say(f"seed {seed}: training {spec.steps} steps")
        order = data.batches(images.train, spec.batch, spec.steps, seed, done=len(start.losses))
        training = train(program.fed(executables.train_step), start, order, partial(checkpoints.offer, seed))
        row = quality(training)
        if training.diverged_step is None:
            evaluation = evaluate(program.fed(evaluating), training.state, images.test, batch)
            row |= {"accuracy": evaluation.accuracy, "eval_loss": evaluation.loss, "eval_wall_s": evaluation.wall_s}
            row |= health(evaluation.routing)
            if shared["flops_experts"] is not None:
                row["flops_padding"] = shared["flops_experts"] * (1 - row["slot_utilisation"])
            say(f"seed {seed}: accuracy {evaluation.accuracy:.4f} after {training.wall_s:.1f} s")
        checkpoints.finish(seed, row)
    for seed in spec.seeds:
        yield shared | checkpoints.rows[seed] | {"seed": seed, "cell_wall_s": time.perf_counter() - began}


def program_for(model: VitConfig, spec: CellSpec) -> Program:
    """The programs of a model as the specification trains it, on the devices that it asks for."""
    devices = mesh(spec.mesh_shape)
    if devices is None:
        return Program(model, schedule(spec), spec.batch)
    return WideProgram(model, schedule(spec), spec.batch, devices)


def schedule(spec: CellSpec) -> Schedule:
    """The part of a specification that the optimiser follows."""
    return Schedule(
        steps=spec.steps,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        warmup=spec.warmup,
        clip_norm=spec.clip_norm,
    )


def costs(cell: ResolvedCell, executables: Executables) -> Row:
    """The cost columns, apart from padding, which only an evaluation knows."""
    program, batch = executables.program, cell.spec.batch
    parameters = count_parameters(cell.model, cell.router)
    state, (images, labels) = program.abstract_state, program.abstract_batch(batch)
    forward = operations(program.infer, state, images)
    # Not three times the forward pass: no gradient is computed for the images, or for one-hot dispatch weights. The
    # optimiser has no products.
    step = operations(program.gradient, state, images, labels).total
    compiler = compiler_flops(executables.infer)
    flops = {
        "flops_forward_per_image": forward.total / batch,
        "flops_train_step": step,
        "flops_train_total": step * cell.spec.steps,
        "flops_router": forward.parts.router / batch,
        "flops_dispatch_combine": forward.parts.dispatch_combine / batch,
        "flops_experts": forward.parts.experts / batch,
        # The compiler counts what one device does.
        "flops_forward_hlo": math.nan if compiler is None else compiler * math.prod(cell.spec.mesh_shape) / batch,
    }
    return {
        "params": parameters.total,
        "params_active": parameters.active,
        **{column: None if math.isnan(count) else count for column, count in flops.items()},
    }


def timings(cell: ResolvedCell, executables: Executables, images: data.Split) -> Row:
    """The time columns: training step and inference, each beside those of the dense twin."""
    began = time.perf_counter()
    batch = cell.spec.batch
    twin_model = replace(cell.model, router="dense", router_options={}, group_images=1)
    twin = Executables.of(program_for(twin_model, cell.spec))
    first = next(data.batches(images, batch, 1, 0))
    training = compare(
        {name: stepping(each, first) for name, each in (("cell", executables), ("dense", twin))},
        cell.spec.timing_budget_s,
        seed=0,
    )
    inference = compare(
        {name: inferring(each, first) for name, each in (("cell", executables), ("dense", twin))},
        cell.spec.timing_budget_s,
        seed=1,
    )
    return {
        **columns("train_step_s", training.seconds["cell"]),
        **columns("train_step_vs_dense", training.ratio("cell", "dense")),
        **columns("infer_s_per_image", inference.seconds["cell"], 1 / batch),
        **columns("infer_vs_dense", inference.ratio("cell", "dense")),
        "timing_flags": flags(training=training, inference=inference),
        "timing_wall_s": time.perf_counter() - began,
    }


def stepping(executables: Executables, batch: data.Split) -> Any:
    """A call that takes one more training step with the same batch."""
    state, on_device = executables.fresh(0), executables.program.placed(batch.images, batch.labels)

    def step() -> Any:
        nonlocal state
        state, report = executables.train_step(state, *on_device)
        return report, state.step

    return step


def inferring(executables: Executables, batch: data.Split) -> Any:
    """A call that infers the batch."""
    state, on_device = executables.fresh(0), executables.program.placed(batch.images)
    return lambda: executables.infer(state, *on_device)


def columns(name: str, measured: Interval, factor: float = 1.0) -> Row:
    """A measured value's columns: median, interval, samples."""
    return {
        name: measured.value * factor,
        f"{name}_ci_low": measured.low * factor,
        f"{name}_ci_high": measured.high * factor,
        f"{name}_samples": [sample * factor for sample in measured.samples],
    }


def flags(**comparisons: Comparison) -> list[str]:
    """Flags of all comparisons, each with the comparison's name before it."""
    return [f"{name}:{flag}" for name, comparison in comparisons.items() for flag in comparison.flags]


def quality(training: Training) -> Row:
    """The columns that training alone gives."""
    steps, losses, accuracies = training.curve()
    diverged = training.diverged_step is not None
    return {
        "status": "diverged" if diverged else "ok",
        "status_reason": f"the loss was not finite at step {training.diverged_step}" if diverged else None,
        "diverged_step": training.diverged_step,
        "train_loss": training.final_loss,
        "train_wall_s": training.wall_s,
        "curve_step": steps,
        "curve_loss": losses,
        "curve_accuracy": accuracies,
    }


def health(layers: list[RoutingCounts]) -> Row:
    """The routing columns: means over MoE layers, the worst layer's drops, and loads by layer and expert."""
    by_layer: list[Row] = [{name: value.tolist() for name, value in layer.metrics().items()} for layer in layers]
    lists = ("expert_load", "expert_demand")
    row: Row = {name: [layer[name] for layer in by_layer] for name in lists}
    row |= {name: sum(layer[name] for layer in by_layer) / len(by_layer) for name in by_layer[0] if name not in lists}
    row["dropped_tokens_max_layer"] = max(layer["dropped_tokens"] for layer in by_layer)
    return row


def say(what: str) -> None:
    """A line for the cell's log."""
    print(what, flush=True)


def main(arguments: list[str]) -> int:
    """The cell program: 0 when its rows are written, 2 for a specification that cannot be built."""
    if len(arguments) != 2:
        print("usage: python -m moebench.cell SPEC.json OUT.parquet", file=sys.stderr)
        return 2
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
        rows = list(run(spec, checkpoints))
    except BadInput as mistake:
        print(mistake, file=sys.stderr)
        return 2
    if jax.process_index() == 0:
        results.write_rows([identity | row for row in rows], out)
        checkpoints.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
