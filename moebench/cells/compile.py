"""The compiled programs of one model, and the calls by which they are timed."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench import data
from moebench.measuring.timing.sampler import Call
from moebench.models import VitConfig
from moebench.spec.cell_spec import CellSpec
from moebench.training import (
    LayerProgram,
    Program,
    Schedule,
    TrainState,
    WideProgram,
    compile_unoptimized,
    compiled,
    mesh,
)


@dataclass(frozen=True)
class Executables:
    """Programs compiled for the training batch."""

    init: jax.stages.Compiled
    train_step: jax.stages.Compiled
    infer: jax.stages.Compiled
    program: Program

    @classmethod
    def compile(cls, program: Program) -> "Executables":
        """Compile for the shapes of the training batch."""
        state, (images, labels) = program.abstract_state, program.abstract_batch(program.batch)
        return cls(
            init=compile_unoptimized(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32))),
            train_step=compiled(program.train_step, state, images, labels, donate=(0,)),
            infer=compiled(program.infer, state, images),
            program=program,
        )

    def fresh(self, seed: int) -> TrainState:
        """The state before the first step."""
        state: TrainState = self.init(np.asarray(seed, np.int32))
        return state

    def infer_batch(self, images: int) -> jax.stages.Compiled:
        """Inference compiled for so many images."""
        if images == self.program.batch:
            return self.infer
        return compiled(self.program.infer, self.program.abstract_state, self.program.abstract_batch(images)[0])

    def stepping(self, batch: data.Split) -> Call:
        """A call that takes one more training step with the same batch."""
        state, on_device = self.fresh(0), self.program.device_put(batch.images, batch.labels)

        def step() -> Any:
            nonlocal state
            state, report = self.train_step(state, *on_device)
            return report, state.step

        return step

    def inferring(self, infer: jax.stages.Compiled, state: TrainState, images: np.ndarray, *, wait: bool) -> Call:
        """A call that infers the images; with `wait` it returns when the result is there, as someone would who asks."""
        on_device = self.program.device_put(images)
        if wait:
            return lambda: jax.block_until_ready(infer(state, *on_device))
        return lambda: infer(state, *on_device)


def program_for(model: VitConfig, spec: CellSpec) -> Program:
    """The programs of a model as the specification trains it on the devices that it asks for, or of its layer alone."""
    if spec.scope == "layer":
        return LayerProgram(model, schedule(spec), spec.batch)
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
