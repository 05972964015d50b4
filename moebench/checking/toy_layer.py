"""A toy layer around a router, and the programs that its checks run."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from moebench import routers
from moebench.models import Experts
from moebench.routers.routing import mix, unmix
from moebench.training.program import auxiliary_loss, split

GROUPS, TOKENS, DIM, MLP = 2, 16, 8, 16
RATE = 0.1
"""Step size of gradient descent."""


def toy_options(name: str) -> dict[str, Any]:
    """Return a value for each required option: 4 experts, and 2 for every other number."""
    needed = (key for key, default in routers.options(name).items() if default is inspect.Parameter.empty)
    return {key: 4 if key == "experts" else 2 for key in needed}


class ToyLayer(nnx.Module):
    """A router with small experts."""

    def __init__(self, name: str, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.router = routers.create(name, dim=DIM, rngs=rngs, **toy_options(name))
        self.experts = Experts(self.router.experts, DIM, MLP, dtype=dtype, rngs=rngs)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Answers:
    """Results of a router on tokens in evaluation."""

    outputs: Float[Array, "group token dim"]
    """Outputs of the whole layer."""
    gates: Float[Array, "group token expert"]
    dispatched: Float[Array, "expert group slot dim"]
    dispatched_by_view: Float[Array, "expert group slot dim"]
    """Dispatched tokens, computed by the dense view of the dispatch."""
    combined: Float[Array, "group token dim"]
    """Tokens that `combine` makes of arbitrary outputs of the slots."""
    combined_by_view: Float[Array, "group token dim"]
    combined_over_padding: Float[Array, "group token dim"]
    """As `combined`, with other outputs of the empty slots."""
    empty: Bool[Array, "expert group slot"]
    metrics: dict[str, Array]
    state: Any
    """State of the router after the call."""


class Toy:
    """The programs of a toy layer around the router `name`."""

    def __init__(self, name: str, dtype: str = "float32") -> None:
        self.dtype = jnp.dtype(dtype)
        self.layer = ToyLayer(name, self.dtype, nnx.Rngs(0))
        self.graph, self.parameters, self.state = split(self.layer)

    @cached_property
    def tokens(self) -> Float[Array, "group token dim"]:
        """Random tokens that bfloat16 represents exactly, so that a change of type changes no token."""
        drawn = jax.random.normal(jax.random.key(1), (GROUPS, TOKENS, DIM))
        return drawn.astype(jnp.bfloat16).astype(self.dtype)

    @property
    def variables(self) -> tuple[Any, Any]:
        """Parameters and state, which the programs take as arguments."""
        return self.parameters, self.state

    def answers(self, variables: tuple[Any, Any], tokens: Float[Array, "group token dim"]) -> Answers:
        """Return the results of one call without a noise key."""
        layer = nnx.merge(self.graph, *variables)
        routing = layer.router(tokens)
        inputs = routing.dispatch(tokens)
        empty = jnp.moveaxis(routing.dispatch_weights.sum(1) == 0, 0, 1)
        slots = jax.random.normal(jax.random.key(2), inputs.shape, inputs.dtype)
        # A router may add to a token more than the slots' outputs.
        beside = routing.combine(jnp.zeros_like(slots))
        return Answers(
            outputs=routing.apply(tokens, layer.experts),
            gates=routing.gates,
            dispatched=inputs,
            dispatched_by_view=mix(routing.dispatch_weights, tokens),
            combined=routing.combine(slots) - beside,
            combined_by_view=unmix(routing.combine_weights, slots),
            combined_over_padding=routing.combine(jnp.where(empty[..., None], 1e3, slots)) - beside,
            empty=empty,
            metrics=routing.metrics(),
            state=split(layer)[2],
        )

    def outputs(self, variables: tuple[Any, Any], tokens: Float[Array, "group token dim"]) -> tuple[Array, Array]:
        """Return the layer's outputs and the gates, without a noise key."""
        layer = nnx.merge(self.graph, *variables)
        routing = layer.router(tokens)
        return routing.apply(tokens, layer.experts), routing.gates

    def step(
        self, parameters: Any, state: Any, tokens: Float[Array, "group token dim"], key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], Any, Any, Any]:
        """Take a step of gradient descent; return loss, gradient, new parameters and new state."""

        def objective(parameters: Any) -> tuple[Array, Any]:
            # A copy, because routers write into the variables, and an array of the outer trace cannot be written here.
            layer = nnx.merge(self.graph, parameters, state, copy=True)
            routing = layer.router(tokens, noise_key=key)
            outputs = routing.apply(tokens, layer.experts)
            loss = jnp.square(outputs - jnp.roll(tokens, 1, axis=-1)).mean()
            return loss + auxiliary_loss(_nonzero(layer.router.loss_weights), [routing]), split(layer)[2]

        (loss, state), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
        after = jax.tree.map(lambda value, slope: value - RATE * slope, parameters, gradient)
        return loss, gradient, after, state


def _nonzero(weights: dict[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in weights.items() if weight}


def traces_differ(function: Callable[..., Any], *arguments: Any) -> bool:
    """Return whether a second trace of a function differs from the first.

    The traces differ if the function draws its own random numbers.
    """
    one, other = (_program(function, *arguments) for _ in range(2))
    return one != other


def _program(function: Callable[..., Any], *arguments: Any) -> tuple[str, list[bytes]]:
    """Return the traced program without addresses, and its constant arrays.

    Addresses differ from trace to trace.
    """
    # A function of its own for each trace, because JAX caches the trace of a function.
    traced = jax.make_jaxpr(lambda *given: function(*given))(*arguments)
    fixed = [
        np.asarray(value).tobytes() for value in traced.consts if not jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    ]
    return re.sub(r"0x[0-9a-f]+", "", str(traced)), fixed


def variable(path: tuple[Any, ...]) -> str:
    """Return the name of a layer's variable from its path.

    Names of the router's own variables omit the router's name.
    """
    names = [str(getattr(part, "key", getattr(part, "name", ""))) for part in path]
    return ".".join(name for name in names if name not in ("router", "value", ""))
