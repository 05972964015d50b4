"""Routers whose logits are the tokens themselves, so that a test can write down the gates it means."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from moebench import routers
from moebench.routers import Router, Routing, SlotRouting

# What tests compile runs a few times on a few numbers: optimising it costs more than it saves.
quickly = partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
)

Gates = Sequence[Sequence[float]]

# The four tokens that most examples route to two experts: tokens 0, 1 and 2 prefer expert 0, token 3 expert 1.
FOUR_TOKENS: Gates = [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]]


def transparent(name: str, experts: int, dim: int | None = None, **options: Any) -> Router:
    """A router with the identity for its kernel: a token is its own logits."""
    router = routers.create(name, dim=dim or experts, rngs=nnx.Rngs(0), experts=experts, **options)
    router.kernel = nnx.Param(jnp.eye(dim or experts, experts))
    return router


def tokens_of(*groups: Gates) -> jax.Array:
    """Tokens that a transparent router gives these gates: their logarithms, since the gates add up to 1."""
    return jnp.asarray(np.log(np.asarray(groups, np.float32)))


def route(name: str, *groups: Gates, key: jax.Array | None = None, **options: Any) -> Routing:
    """How the transparent router of that name routes tokens with these gates."""
    # One program: outside of it each operation on tokens of another shape would be compiled for itself.
    graph, variables = nnx.split(transparent(name, len(groups[0][0]), **options))
    routing: Routing = quickly(lambda tokens: nnx.merge(graph, variables)(tokens, noise_key=key))(tokens_of(*groups))
    return routing


def slots_of(routing: Routing, group: int = 0) -> list[list[int | None]]:
    """For each expert the tokens in its slots, None where a slot is empty."""
    assert isinstance(routing, SlotRouting)
    tokens = routing.gates.shape[1]
    return [[None if token == tokens else int(token) for token in expert] for expert in np.array(routing.token[group])]


def weights_of(routing: Routing, group: int = 0) -> np.ndarray:
    """Combine weight by token and expert, summed over the expert's slots."""
    return np.array(quickly(lambda: routing.combine_weights[group])()).sum(-1)


def health(routing: Routing) -> dict[str, np.ndarray]:
    """The routing's metrics."""
    metrics = quickly(lambda: routing.metrics())()
    return {name: np.array(value) for name, value in metrics.items()}
