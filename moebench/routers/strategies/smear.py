"""Route by SMEAR (2306.03745): the experts' parameters are merged into one MLP for each group."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.routers.metrics import RoutingCounts, gate_entropy
from moebench.routers.pairs import TokenExperts, at_experts, ranked
from moebench.routers.registry import register
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import ExpertMlps, Routing


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class MergedRouting(Routing):
    """Routing that merges all experts into one MLP for each group.

    The views show the MLP as a single expert that has every token.
    """

    weights: Float[Array, "group expert"]
    """Weight of each expert in its group's MLP."""

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "1 group token dim"]:
        return tokens[None]

    @override
    def combine(self, outputs: Float[Array, "1 group token dim"]) -> Float[Array, "group token dim"]:
        return outputs[0]

    @override
    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        with jax.named_scope("experts"):
            return experts.merged(tokens, self.weights)

    @property
    @override
    def dispatch_weights(self) -> Float[Array, "group token 1 token"]:
        groups, tokens, _ = self.gates.shape
        return jnp.broadcast_to(jnp.eye(tokens, dtype=self.gates.dtype)[:, None], (groups, tokens, 1, tokens))

    @property
    @override
    def combine_weights(self) -> Float[Array, "group token 1 token"]:
        return self.dispatch_weights

    def pairs(self) -> TokenExperts:
        """Return all experts for every token, the largest weight in the MLP first.

        The MLP is that of the token's group.
        """
        weights = jnp.broadcast_to(self.weights[:, None], self.gates.shape)
        expert = ranked(jnp.ones(weights.shape, bool), weights)
        gate, weight = at_experts(self.gates, expert), at_experts(weights, expert)
        return TokenExperts(expert=expert, gate=gate, weight=weight, dropped=jnp.zeros(expert.shape, bool))

    def counts(self) -> RoutingCounts:
        """Return the sums behind the metrics.

        An expert's load is its weight in the MLP of each token.
        """
        groups, tokens, _ = self.gates.shape
        load = self.weights.sum(0).astype(jnp.float32) * tokens
        everything = jnp.asarray(groups * tokens, jnp.float32)
        return RoutingCounts(
            tokens=everything,
            unprocessed=jnp.zeros(()),
            choices=jnp.zeros(()),
            dropped_choices=jnp.zeros(()),
            load=load,
            requested_load=load,
            entropy=gate_entropy(self.gates),
            filled=everything,
            slots=everything,
            under_dispatched=jnp.asarray(jnp.nan),
            slot_spread=jnp.asarray(jnp.nan),
        )


@register("smear")
class Smear(Router):
    """SMEAR: an image's tokens pass one MLP, the experts' weighted mean (2306.03745).

    The mean is of the experts' parameters.

    weights = softmax(mean over the tokens of the group of x · kernel); MLP parameters = Σ_e weight_e · parameters_e.
    Every group has an MLP of its own, so that groups of many images need less memory. The paper's LayerNorm in the
    router and its expert dropout are left out.
    """

    permutation_equivariant = True
    group_images = 1

    experts: int
    """MLPs whose parameters are merged."""

    @override
    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (dim, self.experts), jnp.float32))

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        pooled = at_least_float32(tokens).mean(1)
        weights = jax.nn.softmax(pooled @ self.kernel[...].astype(pooled.dtype), axis=-1)
        gates = jnp.broadcast_to(weights[:, None], (*tokens.shape[:2], self.experts))
        return MergedRouting(gates=gates, weights=weights)

    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        """Return the FLOPs of merging and routing.

        Merging a parameter of E experts costs as much as E rows.
        """
        return RoutingFlops(router=2 * dim * self.experts, dispatch_combine=0, expert_rows=group_tokens + self.experts)
