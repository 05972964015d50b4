"""SMEAR (2306.03745): no token is routed; the experts' parameters are mixed into one MLP."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from moebench.routers.metrics import RoutingCounts, gate_entropy
from moebench.routers.registry import register
from moebench.routers.router import Router, RoutingFlops, at_least_float32
from moebench.routers.routing import ExpertMlps, Routing


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class MergedRouting(Routing):
    """One MLP for each group, made of all experts; in the views it is a single expert that holds every token."""

    weights: Float[Array, "group expert"]
    """Of the experts in their group's MLP."""

    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "1 group token dim"]:
        return tokens[None]

    def combine(self, outputs: Float[Array, "1 group token dim"]) -> Float[Array, "group token dim"]:
        return outputs[0]

    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        with jax.named_scope("experts"):
            return experts.merged(tokens, self.weights)

    @property
    def dispatch_weights(self) -> Float[Array, "group token 1 token"]:
        groups, tokens, _ = self.gates.shape
        return jnp.broadcast_to(jnp.eye(tokens, dtype=self.gates.dtype)[:, None], (groups, tokens, 1, tokens))

    @property
    def combine_weights(self) -> Float[Array, "group token 1 token"]:
        return self.dispatch_weights

    def counts(self) -> RoutingCounts:
        """An expert's load is its weight in the MLP of each token."""
        groups, tokens, _ = self.gates.shape
        load = self.weights.sum(0).astype(jnp.float32) * tokens
        everything = jnp.asarray(groups * tokens, jnp.float32)
        return RoutingCounts(
            tokens=everything,
            unprocessed=jnp.zeros(()),
            choices=jnp.zeros(()),
            refused=jnp.zeros(()),
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
    """SMEAR: all tokens of an image go through one MLP, the experts' parameters in a weighted mean (2306.03745).

    weights = mean over the tokens of the group of softmax(x·kernel); MLP parameters = Σ_e weight_e · parameters_e.
    Every group has an MLP of its own, so that groups of many images need less memory.
    """

    permutation_equivariant = True
    group_images = 1

    experts: int
    """MLPs whose parameters are merged."""

    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (dim, self.experts), jnp.float32))

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        precise = at_least_float32(tokens)
        gates = jax.nn.softmax(precise @ self.kernel[...].astype(precise.dtype), axis=-1)
        return MergedRouting(gates=gates, weights=gates.mean(1))

    def flops(self, group_tokens: int, dim: int) -> RoutingFlops:
        """Adding up a parameter of E experts is as much work as E rows are for it."""
        return RoutingFlops(
            router=2 * group_tokens * dim * self.experts, dispatch_combine=0, expert_rows=group_tokens + self.experts
        )
