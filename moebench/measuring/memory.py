"""Memory of compiled programs, and its estimate for models too large for this machine."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Var


def peak_bytes(program: jax.stages.Compiled) -> int | None:
    """Return the bytes of arguments + outputs + temporaries − aliases.

    The result is None if the compiler plans no memory.
    """
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
        """Sum of all parts, which are in memory together when the backward pass begins."""
        return self.parameters + self.gradients + self.optimizer + self.activations


def estimate(parameters: Any, optimizer: Any, gradient: ClosedJaxpr) -> TrainMemory:
    """Return an estimate from shapes alone.

    Args:
        parameters: arrays or their shapes, as a tree.
        optimizer: state of the optimiser, arrays or their shapes, as a tree.
        gradient: the program that computes a step's gradient.
    """
    held = tree_bytes(parameters)
    return TrainMemory(
        parameters=held, gradients=held, optimizer=tree_bytes(optimizer), activations=activation_bytes(gradient)
    )


def tree_bytes(tree: Any) -> int:
    """Return the bytes of all arrays of a tree."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def activation_bytes(gradient: ClosedJaxpr) -> int:
    """Return the bytes that the forward pass makes and the backward pass reads.

    Every value counts as in the jaxpr. A compiler may recompute cheap values instead of keeping them, and needs some
    memory of its own: XLA on CPUs was measured to plan from 0.7 to 1.1 times the estimated total.
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
