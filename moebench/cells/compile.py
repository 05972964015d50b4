"""Compiled programs of one model, and the calls that the stopwatch times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from moebench import data
from moebench.evaluation.pass_over_split import Evaluation, evaluate, evaluation_batch
from moebench.measuring.timing.sampler import Call
from moebench.models import TwoTowersConfig, VitConfig
from moebench.spec.cell_spec import CellSpec
from moebench.training import (
    LayerProgram,
    Program,
    Schedule,
    TrainState,
    WideProgram,
    WideTwoTowersProgram,
    compile_unoptimized,
    compiled,
    mesh,
    program_on_one_device,
)


@dataclass(frozen=True)
class TrainPrograms:
    """Initial state and training step, compiled for the training batch."""

    program: Program
    init: jax.stages.Compiled
    train_step: jax.stages.Compiled

    @classmethod
    def compile(cls, program: Program) -> "TrainPrograms":
        """Compile for the training batch of a program."""
        seed = jax.eval_shape(lambda: jnp.zeros((), jnp.int32))
        return cls(
            program=program,
            init=compile_unoptimized(program.init, seed, program.abstract_schedule),
            train_step=compile_train_step(program),
        )

    def fresh(self, seed: int, schedule: Schedule | None = None) -> TrainState:
        """Return a state before the first step, with fresh parameters.

        Args:
            seed: seed of the parameters and of the routing noise.
            schedule: hyperparameters of the training; None takes the program's own.
        """
        state: TrainState = self.init(np.asarray(seed, np.int32), (schedule or self.program.schedule).as_arrays())
        return state

    @cached_property
    def host_train_step(self) -> Callable[..., Any]:
        """Training step that takes its batch from the host's memory."""
        return self.program.with_host_batch(self.train_step)


@dataclass(frozen=True)
class Executables(TrainPrograms):
    """Initial state, training step and inference, compiled for the training batch."""

    infer: jax.stages.Compiled

    @classmethod
    def compile(cls, program: Program) -> "Executables":
        """Compile for the training batch of a program."""
        training = TrainPrograms.compile(program)
        return cls(program, training.init, training.train_step, compile_infer(program, program.batch))

    def infer_batch(self, images: int) -> jax.stages.Compiled:
        """Return inference for a batch of `images`, compiled unless that is the training batch."""
        if images == self.program.batch:
            return self.infer
        return compile_infer(self.program, images)

    def train_step_call(self, batch: data.Split) -> Call:
        """Return a call that takes one more training step with the same batch."""
        state, on_device = self.fresh(0), self.program.device_put(batch.images, batch.labels)

        def step() -> Any:
            nonlocal state
            state, report = self.train_step(state, *on_device)
            return report, state.step

        return step

    def infer_call(self, infer: jax.stages.Compiled, state: TrainState, images: np.ndarray, *, wait: bool) -> Call:
        """Return a call that infers the images.

        Args:
            infer: inference, compiled for the number of images.
            state: state of the model.
            images: images in the host's memory.
            wait: whether the call returns only when the logits are computed.
        """
        on_device = self.program.device_put(images)
        if wait:
            return lambda: jax.block_until_ready(infer(state, *on_device))
        return lambda: infer(state, *on_device)


@dataclass(frozen=True)
class Evaluator:
    """Evaluation compiled for batches of whole groups."""

    step: Callable[..., Any]
    batch: int

    @classmethod
    def compile(cls, program: Program, images: int) -> "Evaluator":
        """Compile for a split.

        Args:
            program: program of the model.
            images: images of the split, which the batch divides into equal parts if possible.
        """
        batch = evaluation_batch(images, program.batch, program.config.group_images * program.shards)
        some_images, labels = program.abstract_batch(batch)
        weights = jax.ShapeDtypeStruct(labels.shape, jnp.float32, sharding=labels.sharding)
        step = compiled(program.evaluate, program.abstract_state, some_images, labels, weights)
        return cls(program.with_host_batch(step), batch)

    def __call__(self, state: TrainState, split: data.Split) -> Evaluation:
        """Evaluate every image of a split once."""
        return evaluate(self.step, state, split, self.batch)


def compile_train_step(program: Program, device: jax.Device | None = None) -> jax.stages.Compiled:
    """Compile a training step, which overwrites its state.

    Args:
        program: program of the model, for its own batch.
        device: device to compile for; None: the default device, or the mesh of the program.
    """
    arguments = program.abstract_state, *program.abstract_batch(program.batch)
    return compiled(program.train_step, *_on(device, arguments), donate=(0,))


def compile_infer(program: Program, images: int, device: jax.Device | None = None) -> jax.stages.Compiled:
    """Compile inference for a batch.

    Args:
        program: program of the model.
        images: images of the batch.
        device: device to compile for; None: the default device, or the mesh of the program.
    """
    return compiled(program.infer, *_on(device, (program.abstract_state, program.abstract_images(images))))


def _on(device: jax.Device | None, shapes: Any) -> Any:
    """Return shapes that lie on a device."""
    if device is None:
        return shapes
    there = SingleDeviceSharding(device)
    return jax.tree.map(lambda shape: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=there), shapes)


def program_for(model: VitConfig, spec: CellSpec, devices: Sequence[jax.Device] | None = None) -> Program:
    """Return the programs of a model, two towers or a layer on a specification's devices.

    Args:
        model: the model.
        spec: gives mesh, batch and schedule.
        devices: to lay the mesh on; None: the machine's.
    """
    if spec.scope == "layer":
        return LayerProgram(model, schedule(spec), spec.batch)
    laid_out = mesh(spec.mesh_shape, devices)
    if laid_out is None:
        return program_on_one_device(model, schedule(spec), spec.batch)
    if isinstance(model, TwoTowersConfig):
        return WideTwoTowersProgram(model, schedule(spec), spec.batch, laid_out)
    return WideProgram(model, schedule(spec), spec.batch, laid_out)


def schedule(spec: CellSpec) -> Schedule:
    """Return the hyperparameters of a specification."""
    return Schedule(
        steps=spec.steps,
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        warmup=spec.warmup,
        clip_norm=spec.clip_norm,
    )
