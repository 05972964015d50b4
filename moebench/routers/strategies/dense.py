"""Define the dense layer as a router, so that all models share one code path."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.routers.hard_routing import SlotRouting
from moebench.routers.registry import register
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import Routing


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class IdentityRouting(SlotRouting):
    """Routing in which slot i holds token i, so that no token moves."""

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        groups, _, dim = tokens.shape
        return tokens.reshape(groups, *self.token.shape[1:], dim).swapaxes(0, 1)

    @override
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return outputs.swapaxes(0, 1).reshape(*self.gates.shape[:2], outputs.shape[-1])


def identity_routing(tokens: Float[Array, "group token dim"], experts: int) -> IdentityRouting:
    """Route each group's tokens to the experts in order, at weight 1.

    The first tokens of a group go to the first expert, the next ones to the next.
    """
    groups, count, _ = tokens.shape
    slot = jnp.broadcast_to(jnp.arange(count).reshape(1, experts, -1), (groups, experts, count // experts))
    expert = jnp.repeat(jnp.arange(experts), count // experts)
    gates = jax.nn.one_hot(expert, experts, dtype=at_least_float32(tokens).dtype)
    return IdentityRouting(
        gates=jnp.broadcast_to(gates, (groups, count, experts)),
        token=slot,
        weight=jnp.ones(slot.shape, gates.dtype),
        requested_load=jnp.full(experts, groups * count / experts),
        choices=1,
    )


@register("dense")
class Dense(Router):
    """Dense: one MLP for every token, the baseline of every routing strategy.

    y = MLP(x). There are no gates; every token has a slot, and nothing is dropped.
    """

    permutation_equivariant = True
    group_images = 1
    experts = 1

    @override
    def __call__(
        self,
        tokens: Float[Array, "group token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
    ) -> Routing:
        return identity_routing(tokens, self.experts)

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        return RoutingFlops(router=0, dispatch_combine=0)
