"""Route by the ablations of Soft MoE (2308.00951, table 2).

Dispatch, combine or both are fixed instead of learned.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.errors import BadInput
from moebench.routers.registry import register
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import Routing, SoftRouting
from moebench.routers.strategies.dense import identity_routing
from moebench.routers.strategies.soft import Soft


@register("soft-uniform")
class SoftUniform(Soft):
    """Soft MoE whose tokens get the mean of all slots' outputs (2308.00951).

    Dispatch is learned, combine is not.

    dispatch = softmax over the tokens of the logits of `soft`; combine = 1 / (E·P) for every slot.
    """

    learned = ("dispatch",)


@register("uniform-soft")
class UniformSoft(Soft):
    """Soft MoE whose slots all contain the mean of the tokens (2308.00951).

    Combine is learned, dispatch is not.

    dispatch = 1 / S for every token; combine = softmax over all slots of the logits of `soft`.
    """

    learned = ("combine",)


@register("uniform")
class Uniform(Router):
    """Uniform Soft MoE: slots average all tokens, outputs average all slots' outputs (2308.00951).

    dispatch = 1 / S and combine = 1 / (E·P) everywhere, so that all tokens of a group get equal outputs.
    """

    permutation_equivariant = True
    group_images = 1

    experts: int
    """MLPs that share the slots."""
    slots_per_expert: int = 1
    """Slots of each expert for one group, which is one image unless group_images is set."""

    @override
    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")
        self.require(self.slots_per_expert >= 1, "slots_per_expert", "must be at least 1")

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        shape = (*tokens.shape[:2], self.experts, self.slots_per_expert)
        dtype = at_least_float32(tokens).dtype
        combine = jnp.full(shape, 1 / (self.experts * self.slots_per_expert), dtype)
        return SoftRouting(
            gates=combine.sum(-1), dispatch_weights=jnp.full(shape, 1 / shape[1], dtype), combine_weights=combine
        )

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        pairs = group_tokens * self.experts * self.slots_per_expert
        return RoutingFlops(router=0, dispatch_combine=2 * 2 * pairs * dim, backward=1.0)


@register("identity")
class Identity(Router):
    """Identity: token i passes slot i at weight 1 (2308.00951).

    The first tokens of a group are in the first expert.

    expert(i) = floor(i·E / S). Nothing is mixed and nothing learned: each expert is the MLP of a fixed part of the
    image, S / E of its tokens.
    """

    group_images = 1

    experts: int
    """MLPs that share the tokens of a group."""

    @override
    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        if tokens.shape[1] % self.experts:
            raise BadInput(
                f"router '{self.name}': the {tokens.shape[1]} tokens of a group cannot be shared out evenly among "
                f"experts={self.experts}.",
                key="experts",
            )
        return identity_routing(tokens, self.experts)

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        return RoutingFlops(router=0, dispatch_combine=0)
