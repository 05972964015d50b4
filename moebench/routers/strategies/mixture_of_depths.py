"""Mixture of depths (2404.02258): some tokens go through the block, the others go past it."""

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from moebench.errors import BadInput
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter


@register("mixture-of-depths")
class MixtureOfDepths(SparseRouter):
    """Mixture of depths: the C·S tokens of largest weight go through the whole block, the others past it (2404.02258).

    r = x·kernel, one number for each token; y = x + r · block(the chosen tokens) for the chosen, y = x for the others;
    block is what attention and MLP add, and attention sees the chosen tokens alone. As an image is there at once,
    evaluation chooses as training does. The paper has C = 0.125 in every other block.
    """

    permutation_equivariant = True
    group_images = 1
    routes_through = "block"

    experts = 1
    capacity_factor = 0.125

    def check(self) -> None:
        super().check()
        self.require(self.experts == 1, "experts", "must be 1: the block is the only expert")

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        weights = self.logits(tokens)
        slots = self.slots(tokens.shape[1], noise_key is not None)
        if slots > tokens.shape[1]:
            raise BadInput(
                f"router '{self.name}': {slots} slots are more than the {tokens.shape[1]} tokens of an image; "
                "capacity_factor=1 takes all of them.",
                key="capacity_factor",
            )
        token = jax.lax.top_k(weights.swapaxes(1, 2), slots)[1]
        gates = jax.nn.sigmoid(weights)
        return self.routing_from_slots(gates, token, weights=weights, requested_load=gates.sum((0, 1)), choices=0)
