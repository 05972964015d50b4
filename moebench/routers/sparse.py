"""What all sparse routers share: a linear gate, a capacity, and the way tokens travel."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from moebench.errors import unknown
from moebench.routers.capacity import ROUNDINGS, capacity
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import EinsumSlotRouting, SlotRouting

ROUTING_BY_DISPATCH: dict[str, type[SlotRouting]] = {"gather": SlotRouting, "einsum": EinsumSlotRouting}


class SparseRouter(Router):
    """Base of the routers whose slots hold single tokens.

    Options: `experts`; `top_k` experts for each token (where experts choose: on average); `capacity_factor`,
    `capacity_rounding` and `capacity_multiple_of` set the slots (see `moebench.routers.capacity`); `dispatch` is
    how tokens travel: "gather", or "einsum" with one-hot matrices.
    """

    experts: int
    top_k: int = 1
    capacity_factor: float = 1.0
    capacity_rounding: str = "round"
    capacity_multiple_of: int = 1
    dispatch: str = "gather"

    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")
        self.require(1 <= self.top_k <= self.experts, "top_k", f"must be from 1 to experts={self.experts}")
        self.require(self.capacity_factor > 0, "capacity_factor", "must be above 0")
        self.require(self.capacity_multiple_of >= 1, "capacity_multiple_of", "must be at least 1")
        for option, known in (("capacity_rounding", ROUNDINGS), ("dispatch", ROUTING_BY_DISPATCH)):
            if getattr(self, option) not in known:
                raise unknown(f"{option} of router '{self.name}'", getattr(self, option), known, key=option)

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (dim, self.experts), jnp.float32))

    def logits(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "group token expert"]:
        """tokens · kernel, in at least float32."""
        precise = at_least_float32(tokens)
        return precise @ self.kernel[...].astype(precise.dtype)

    def slots(self, group_tokens: int) -> int:
        """Slots of each expert for a group of so many tokens."""
        assignments = group_tokens * self.top_k
        return capacity(
            assignments, self.experts, self.capacity_factor, self.capacity_rounding, self.capacity_multiple_of
        )

    def fill(
        self,
        gates: Float[Array, "group token expert"],
        token: Int[Array, "group expert slot"],
        *,
        weights: Float[Array, "group token expert"],
        demand: Float[Array, "expert"],
        choices: int,
        losses: dict[str, Float[Array, ""]],
    ) -> SlotRouting:
        """The routing with those tokens in the slots; a slot weighs what its token's `weights` give its expert."""
        tokens = gates.shape[1]
        by_expert = weights.swapaxes(1, 2)
        weight = jnp.take_along_axis(by_expert, jnp.minimum(token, tokens - 1), axis=-1)
        return ROUTING_BY_DISPATCH[self.dispatch](
            gates=gates, token=token, weight=weight, demand=demand, choices=choices, losses=losses
        )

    def flops(self, group_tokens: int, dim: int) -> RoutingFlops:
        slots = self.experts * self.slots(group_tokens)
        # Gathered rows are weighted and summed; one-hot products touch every pair of token and slot, both ways.
        moves = 2 * slots * dim if self.dispatch == "gather" else 2 * 2 * group_tokens * slots * dim
        return RoutingFlops(router=2 * group_tokens * dim * self.experts, dispatch_combine=moves)


def softmax(logits: Float[Array, "group token expert"]) -> Float[Array, "group token expert"]:
    """Gates over the experts."""
    return jax.nn.softmax(logits, axis=-1)
