"""moebench's own layer with given weights, in JAX.

The layer gives the gradients of the exported cases, and checks the reference.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from moebench import routers
from moebench.conform.variants import STRATEGIES
from moebench.models.moe import MoE

Apply = Callable[[Any, jax.Array], jax.Array]


def own_layer(
    strategy: str, weights: Mapping[str, np.ndarray], options: Mapping[str, float]
) -> tuple[Apply, dict[str, jax.Array]]:
    """Build the layer in evaluation.

    Args:
        strategy: name in `STRATEGIES`.
        weights: arrays that `reference` takes.
        options: `top_k` and `capacity_factor` of sparse strategies.

    Returns:
        A function of parameters by name and tokens [group, token, dim], and the parameters.
    """
    dim, hidden = weights["kernel_in"].shape[1:]
    router = _router(strategy, weights, options, dim)
    layer = MoE(router, dim, hidden, group_images=1, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
    graph, state = nnx.split(layer)
    parameters = {name: jnp.asarray(value, jnp.float32) for name, value in weights.items()}

    def apply(given: Mapping[str, jax.Array], tokens: jax.Array) -> jax.Array:
        layer = nnx.merge(graph, state, copy=True)
        for name, value in given.items():
            owner = layer.experts if hasattr(layer.experts, name) else layer.router
            getattr(owner, name)[...] = value
        return layer(tokens)[0]

    return apply, parameters


def _router(strategy: str, weights: Mapping[str, np.ndarray], options: Mapping[str, float], dim: int) -> routers.Router:
    experts = weights["kernel_in"].shape[0]
    known = routers.options(strategy)
    given: dict[str, Any] = {"experts": experts}
    if STRATEGIES[strategy].family == "soft":
        given["slots_per_expert"] = weights["phi"].shape[2]
    else:
        limited = dict(STRATEGIES[strategy].settings).get("capacity_rule") != "none"
        factor = float(options["capacity_factor"]) if limited else None
        wanted = {"top_k": int(options["top_k"]), "capacity_factor": factor, "eval_capacity_factor": factor}
        given |= {key: value for key, value in wanted.items() if key in known}
        if "renormalise" in known and int(options["top_k"]) == 1:
            given["renormalise"] = False
    return routers.create(strategy, dim=dim, rngs=nnx.Rngs(0), **given)
