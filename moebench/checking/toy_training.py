"""Ten training steps of a toy layer: every parameter must learn, and nothing may break."""

from collections.abc import Generator
from typing import Any

import jax
import numpy as np

from moebench.checking.failure import Failure
from moebench.checking.toy_layer import Toy, traces_differ, variable
from moebench.training import compile_unoptimized

STEPS = 10


def train(toy: Toy) -> Generator[Failure, None, tuple[Any, Any]]:
    """Take the training steps, yield failures, and return the last parameters and state.

    Each step has a noise key of its own.
    """
    keys = jax.random.split(jax.random.key(4), STEPS)
    step = compile_unoptimized(toy.step, toy.parameters, toy.state, toy.tokens, keys[0])
    shapes = jax.tree.map(_shape, toy.state)
    parameters, state = toy.parameters, toy.state
    slopes: dict[str, float] = {}  # the largest gradient of each parameter over all steps
    for number, key in enumerate(keys, start=1):
        loss, gradient, after, new_state = step(parameters, state, toy.tokens, key)
        if number == 1:
            if traces_differ(toy.step, parameters, state, toy.tokens, key):
                yield Failure(
                    "determinism",
                    "two training steps with the same noise key differ: whatever is random must be drawn from it",
                )
            if jax.tree.map(_shape, new_state) != shapes:
                yield Failure("training", "what it keeps has another shape or type after a step than before")
                return toy.variables
        for path, slope in jax.tree_util.tree_leaves_with_path(gradient):
            name = variable(path)
            slopes[name] = float(np.maximum(slopes.get(name, 0.0), np.abs(slope).max()))
        if not np.isfinite(loss):
            yield Failure("training", f"its loss is {loss} at step {number} of {STEPS}")
            break
        parameters, state = after, new_state
    for name, slope in slopes.items():
        if not np.isfinite(slope):
            yield Failure("gradients", f"the gradient of the parameter '{name}' is not finite")
        elif slope == 0:
            yield Failure("gradients", f"the parameter '{name}' gets no gradient in {STEPS} steps")
    return parameters, state


def _shape(value: Any) -> tuple[tuple[int, ...], str]:
    return value.shape, str(value.dtype)
