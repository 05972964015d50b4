"""Route by ReMoE (2412.14711), whose gates are ReLUs.

A loss of adaptive strength makes the gates sparse.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.routers.registry import register
from moebench.routers.router import RouterState
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter


@register("relu")
class Relu(SparseRouter):
    """ReMoE: a token takes every expert whose ReLU gate is positive (2412.14711).

    gate = ReLU(x·kernel), which is the weight as well.

    Loss "l1" = λ · mean over tokens of Σ_e f_e · gate_e, with f_e = E/k · the share of tokens that take expert e; λ is
    part of the loss and starts at 1e-8. After each training step λ is multiplied by growth^sign(1 − k/E − share of
    gates at 0), so that in the end tokens take k experts on average. The paper has one λ for all layers, here each
    layer has its own. There is a slot for every token unless `capacity_factor` sets a limit, under which an expert
    takes its highest gates.
    """

    permutation_equivariant = True
    training_only_options = ("top_k", "growth")

    capacity_factor = None
    growth: float = 1.2
    """Factor by which λ grows or shrinks after each training step."""

    @override
    def check(self) -> None:
        super().check()
        self.leave_out("has no effect: the gates decide how many experts a token takes", "eval_top_k")
        self.require(self.growth > 1, "growth", "must be above 1")

    @property
    @override
    def loss_weights(self) -> dict[str, float]:
        return {"l1": 1.0}

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        super().setup(dim, rngs)
        self.strength = RouterState(jnp.full((), 1e-8))

    @override
    def most_choices(self, training: bool) -> int:
        return self.experts

    @override
    def slots(self, group_tokens: int, training: bool) -> int:
        return min(group_tokens, super().slots(group_tokens, training))

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        gates = jax.nn.relu(self.logits(tokens))
        taken = gates > 0
        share, strength = taken.mean((0, 1)), self.strength[...]
        loss = strength * (share * gates).sum(-1).mean() * self.experts / self.top_k
        if training:
            excess = jnp.sign(share.mean() - self.top_k / self.experts)
            self.strength[...] = strength * self.growth**excess
        return self.route_mask(gates, taken, gates, weights=gates, training=training, losses={"l1": loss})
