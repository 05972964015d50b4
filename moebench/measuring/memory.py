"""Memory of compiled programs, and an estimate of it for models that no machine at hand could hold."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Var


def peak_bytes(program: jax.stages.Compiled) -> int | None:
    """Arguments + outputs + temporaries − aliases, as the compiler planned them; None where it does not say."""
    plan = program.memory_analysis()
    if plan is None:
        return None
    return int(
        plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes - plan.alias_size_in_bytes
    )


@dataclass(frozen=True)
class TrainMemory:
    """Bytes of a training step, estimated from shapes."""

    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it at once, as when the backward pass begins."""
        return self.parameters + self.gradients + self.optimizer + self.activations


def estimate(parameters: Any, optimizer: Any, gradient: ClosedJaxpr) -> TrainMemory:
    """An estimate from shapes alone.

    Args:
        parameters: arrays or their shapes, as a tree.
        optimizer: the optimiser's state, likewise.
        gradient: the program that computes a step's gradient.
    """
    held = tree_bytes(parameters)
    return TrainMemory(
        parameters=held, gradients=held, optimizer=tree_bytes(optimizer), activations=activation_bytes(gradient)
    )


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays of a tree."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def activation_bytes(gradient: ClosedJaxpr) -> int:
    """Bytes that the forward pass makes and the backward pass reads.

    Every value counts as it stands in the program. A compiler may compute cheap ones again instead of keeping them,
    and needs some room besides: XLA on CPUs was seen to plan from 0.7 to 1.1 times the estimated total.
    """
    made: set[Var] = set()
    kept: set[Var] = set()
    for equation in gradient.jaxpr.eqns:
        if "transpose(" in str(equation.source_info.name_stack):
            kept.update(var for var in equation.invars if isinstance(var, Var) and var in made)
        else:
            made.update(equation.outvars)
    return sum(_bytes(var.aval) for var in kept)


def _bytes(array: Any) -> int:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return 0
    size: int = math.prod(array.shape) * array.dtype.itemsize
    return size
