"""Route by Soft MoE (2308.00951).

Slots are weighted means of tokens, outputs are weighted means of slots.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.routers.matmul import product
from moebench.routers.registry import register
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import Routing, SoftRouting


@register("soft")
class Soft(Router):
    """Soft MoE: slots mix all tokens, outputs mix all slots (2308.00951).

    Nothing is dropped.

    logits = l2norm(x)·(scale·l2norm(phi)); dispatch = softmax over the tokens, combine = softmax over all slots of
    all experts, from the same logits, in float32. The normalised tokens serve the logits only: the slots mix the raw
    tokens. As in the public code phi starts as LeCun normal of fan-in dim · E, with a standard deviation of
    1/√(dim · E), and weight decay pulls on the scale but not on phi.
    """

    permutation_equivariant = True
    group_images = 1
    learned: ClassVar[tuple[str, ...]] = ("dispatch", "combine")
    """Weights that come from the logits: dispatch, combine or both; the rest is uniform."""

    experts: int
    """MLPs that share the slots."""
    slots_per_expert: int = 1
    """Slots of each expert for one group, which is one image unless group_images is set."""
    eval_slots_per_expert: int | None = None
    """Slots of each expert that evaluation uses, the first ones, since slots have no order; null uses all."""
    normalise: bool = True
    """Whether tokens and phi are scaled to length 1 in the logits; if not, logits = x·phi without a scale."""

    @override
    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")
        self.require(self.slots_per_expert >= 1, "slots_per_expert", "must be at least 1")
        kept = self.eval_slots_per_expert
        held = kept is None or 1 <= kept <= self.slots_per_expert
        rule = f"must be from 1 to slots_per_expert={self.slots_per_expert}, the slots that phi holds"
        self.require(held, "eval_slots_per_expert", rule)

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        shape = (dim, self.experts, self.slots_per_expert)
        self.phi = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), shape, jnp.float32))
        if self.normalise:
            self.scale = nnx.Param(jnp.ones(()))

    @override
    def __call__(
        self,
        tokens: Float[Array, "group token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
    ) -> Routing:
        logits = self.logits(tokens, None if noise_key is not None else self.eval_slots_per_expert)
        even = jnp.zeros_like(logits)
        combine = jax.nn.softmax(logits if "combine" in self.learned else even, axis=(2, 3))
        return SoftRouting(
            gates=combine.sum(-1),
            dispatch_weights=jax.nn.softmax(logits if "dispatch" in self.learned else even, axis=1),
            combine_weights=combine,
        )

    def logits(
        self, tokens: Float[Array, "group token dim"], slots: int | None = None
    ) -> Float[Array, "group token expert slot"]:
        """Return the logits of tokens and slots, in at least float32.

        Args:
            tokens: float[groups, tokens, dim].
            slots: slots of each expert to use, the first ones; None: all.
        """
        precise = at_least_float32(tokens)
        phi = self.phi[..., :slots].astype(precise.dtype)
        if self.normalise:
            scale = self.scale[...].astype(precise.dtype)
            precise, phi = l2_normalise(precise, -1), scale * l2_normalise(phi, 0)
        flat = product(precise.reshape(-1, phi.shape[0]), phi.reshape(phi.shape[0], -1))
        return flat.reshape(*tokens.shape[:2], *phi.shape[1:])

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        slots = self.slots_per_expert if training else self.eval_slots_per_expert or self.slots_per_expert
        pairs = group_tokens * self.experts * slots
        # Weights that are not learned have no gradient: one backward product less for each of the two.
        backward = 1 + len(self.learned) / 2
        return RoutingFlops(router=2 * pairs * dim, dispatch_combine=2 * 2 * pairs * dim, backward=backward)


def l2_normalise(x: Float[Array, "*shape"], axis: int) -> Float[Array, "*shape"]:
    """Return x over its length along an axis.

    The public code's 1e-6 keeps the gradient finite at 0.
    """
    return x * jax.lax.rsqrt(jnp.square(x).sum(axis, keepdims=True) + 1e-6)
