"""Route by the truth of a diagnostic task about each patch.

The routing is an upper bound for routers that must learn the truth.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.routers.registry import register
from moebench.routers.router import NO_EXPERT, RoutingFlops, at_least_float32
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order


@register("oracle")
class Oracle(SparseRouter):
    """Oracle: a token goes to the expert that the task knows to be right.

    The weight is 1, and nothing is learned.

    expert = t mod E for a token of truth t: a domain has an expert of its own if E is at least the number of domains.
    A token that decides nothing, such as a distractor beside needles, goes to no expert and takes no slot. The truth
    comes with the images of the diagnostic tasks, past the rest of the model; cells on other data are refused. Where a
    layer is called without truth, as when it is timed alone, the tokens are dealt to the experts in turn.
    """

    needs_truth = True

    @override
    def check(self) -> None:
        super().check()
        self.require(self.top_k == 1, "top_k", "must be 1: a token has one right expert")
        self.leave_out("has no effect: a token has one right expert in evaluation as well", "eval_top_k")

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        """Make no parameters: nothing is learned."""

    @override
    def __call__(
        self,
        tokens: Float[Array, "group token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
        truth: Int[Array, "group token"] | None = None,
    ) -> Routing:
        count = tokens.shape[1]
        if truth is None:
            truth = jnp.broadcast_to(jnp.arange(count), tokens.shape[:2])
            expert = truth % self.experts
        else:
            expert = jnp.where(truth == NO_EXPERT, self.experts, truth % self.experts)
        gates = jax.nn.one_hot(expert, self.experts, dtype=at_least_float32(tokens).dtype)
        slots = self.slots(count, noise_key is not None)
        return self.route_choices(gates, expert[..., None], array_order(gates), weights=gates, slots=slots)

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        return replace(super().flops(group_tokens, dim, training=training), router=0).without_gradient()
