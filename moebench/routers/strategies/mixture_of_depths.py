"""Route by Mixture of Depths (2404.02258).

Some tokens pass through the block, the others bypass it.
"""

import jax
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.errors import BadInput
from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter


@register("mixture-of-depths")
class MixtureOfDepths(SparseRouter):
    """Mixture of depths: tokens of largest weight pass the block, others bypass it (2404.02258).

    C·S tokens pass through the block.

    r = x·kernel, one number for each token; y = x + r · block(the chosen tokens) for chosen tokens, y = x for the
    others; block is the sum of what attention and MLP add, and attention is among the chosen tokens alone. Since all
    tokens of an image are known at once, evaluation chooses as training does: the paper's predictor for causal models
    is left out. The paper routes every other block at C = 0.125.
    """

    permutation_equivariant = True
    group_images = 1
    routes_through = "block"

    experts = 1
    capacity_factor = 0.125

    @override
    def check(self) -> None:
        super().check()
        self.require(self.experts == 1, "experts", "must be 1: the block is the only expert")
        self.leave_out("has no effect: the block is the only expert", "eval_top_k")
        self.require(self.dispatch != "ragged", "dispatch", "must be gather or einsum: the block computes every slot")

    @override
    def most_choices(self, training: bool) -> int:
        return 0

    @override
    def slots(self, group_tokens: int, training: bool) -> int:
        slots = super().slots(group_tokens, training)
        if slots > group_tokens:
            raise BadInput(
                f"router '{self.name}': {slots} slots are more than the {group_tokens} tokens of an image; "
                "capacity_factor=1 takes all of them.",
                key="capacity_factor",
            )
        return slots

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        weights = self.logits(tokens)
        slots = self.slots(tokens.shape[1], training)
        token = top_k(weights.swapaxes(1, 2), slots)[1]
        gates = jax.nn.sigmoid(weights)
        return self.routing_from_slots(
            gates, token, weights=weights, requested_load=gates.sum((0, 1)), choices=self.most_choices(training)
        )
