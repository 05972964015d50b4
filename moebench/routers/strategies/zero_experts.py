"""Route by MoE++ (2410.07348): beside the MLPs there are experts of almost no cost."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.routers.cpu_kernels import top_k
from moebench.routers.hard_routing import SlotRouting
from moebench.routers.metrics import RoutingCounts, gate_entropy
from moebench.routers.pairs import TokenExperts, at_experts
from moebench.routers.registry import register
from moebench.routers.router import RoutingFlops
from moebench.routers.routing import ExpertMlps, Routing
from moebench.routers.sparse import SparseRouter, array_order, softmax


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class BesideRouting(Routing):
    """Routing to MLPs, with the outputs of the other experts beside them.

    `gates` cover all experts.
    """

    mlps: SlotRouting
    beside: Float[Array, "group token dim"]
    """Weighted outputs of the experts that are no MLPs."""
    chosen_beside: Int[Array, "group token"]
    """Number of such experts that each token chose."""

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return self.mlps.dispatch(tokens)

    @override
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return self.mlps.combine(outputs) + self.beside.astype(outputs.dtype)

    @override
    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        outputs = self.mlps.apply(tokens, experts)
        return outputs + self.beside.astype(outputs.dtype)

    @property
    @override
    def dispatch_weights(self) -> Float[Array, "group token mlp slot"]:
        return self.mlps.dispatch_weights

    @property
    @override
    def combine_weights(self) -> Float[Array, "group token mlp slot"]:
        return self.mlps.combine_weights

    @property
    def calls(self) -> Float[Array, "group token"]:
        """Calls of MLPs by each token: the other experts are no MLPs."""
        return self.mlps.calls

    @override
    def bare(self) -> "BesideRouting":
        return replace(self, losses={}, mlps=self.mlps.bare())

    def pairs(self) -> TokenExperts:
        """Return the experts of every token, those beside the MLPs included, which drop nothing."""
        pairs = self.mlps.pairs()
        gate = at_experts(self.gates, pairs.expert)
        beside = pairs.expert >= self.mlps.token.shape[1]
        weight = jnp.where(beside, gate, pairs.weight)
        return replace(pairs, gate=gate, weight=weight, dropped=pairs.dropped & ~beside)

    def counts(self) -> RoutingCounts:
        """Return the sums behind the metrics.

        Loads are those of the MLPs, and a token of any expert counts as processed.
        """
        counts = self.mlps.counts()
        return replace(
            counts,
            unprocessed=counts.tokens - (self.mlps.processed | (self.chosen_beside > 0)).sum(),
            choices=counts.choices + self.chosen_beside.sum(),
            entropy=gate_entropy(self.gates),
        )


@register("zero-experts")
class ZeroExperts(SparseRouter):
    """MoE++: top k of MLPs and of experts that cost nothing (2410.07348).

    Experts that cost nothing are zero, copy and constant experts.

    gates = softmax(x·kernel) over the `experts` MLPs and, after them, the zero experts (0), the copy experts (x) and
    the constant experts (α₁·x + α₂·v with [α₁, α₂] = softmax(W·x), v and W learned); y = Σ gate · expert over the
    top k. An MLP has round(τ·S·k·C / (τ·E + Z)) slots, Z the number of the other experts, which have no limit. Loss
    "balance" = Σ_i η_i · f_i · P_i, f the share of tokens that choose the expert, P its mean gate, η 1 for MLPs and τ
    for the others. The paper's gating residual between layers is left out, since a router gets its own layer's tokens
    only. The official code differs: it divides the k gates by their sum, with the zero expert's gate set to 0.
    """

    top_k = 2
    training_only_options = ("balance_weight",)

    zero_experts: int = 1
    """Experts whose output is 0."""
    copy_experts: int = 1
    """Experts whose output is the token."""
    constant_experts: int = 2
    """Experts whose output mixes the token with a learned vector."""
    tau: float = 0.75
    """Ratio of the tokens meant for an MLP to the tokens meant for an expert that costs nothing."""
    balance_weight: float = 0.01
    """Weight of the balance loss in training."""

    @override
    def check(self) -> None:
        super().check()
        for option in ("zero_experts", "copy_experts", "constant_experts"):
            self.require(getattr(self, option) >= 0, option, "must be 0 or above")
        self.require(self.tau > 0, "tau", "must be above 0")

    @property
    @override
    def loss_weights(self) -> dict[str, float]:
        return {"balance": self.balance_weight}

    @property
    def others(self) -> int:
        """Number of experts that are no MLPs."""
        return self.zero_experts + self.copy_experts + self.constant_experts

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        draw = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(draw(rngs.params(), (dim, self.experts + self.others), jnp.float32))
        if self.constant_experts:
            self.constant = nnx.Param(jax.random.normal(rngs.params(), (self.constant_experts, dim)))
            self.constant_kernel = nnx.Param(draw(rngs.params(), (dim, self.constant_experts * 2), jnp.float32))

    @property
    @override
    def capacity_experts(self) -> int | float:
        return self.experts + self.others / self.tau

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        gates = softmax(self.logits(tokens))
        expert = top_k(gates, self.choices(training))[1]
        chosen = jax.nn.one_hot(expert, gates.shape[-1], dtype=gates.dtype).sum(2)
        of_mlps = gates[..., : self.experts]
        mlps = self.route_choices(
            of_mlps, expert, array_order(gates), weights=of_mlps, slots=self.slots(tokens.shape[1], training)
        )
        price = jnp.where(jnp.arange(gates.shape[-1]) < self.experts, 1, self.tau)
        return BesideRouting(
            gates=gates,
            mlps=mlps,
            beside=self.outputs_beside((gates * chosen)[..., self.experts :], tokens),
            chosen_beside=(expert >= self.experts).sum(-1),
            losses={"balance": (price * chosen.mean(1) * gates.mean(1)).sum(-1).mean()},
        )

    def outputs_beside(
        self, weights: Float[Array, "group token other"], tokens: Float[Array, "group token dim"]
    ) -> Float[Array, "group token dim"]:
        """Return the weighted sum of the outputs of the experts that are no MLPs.

        Args:
            weights: weights of the zero experts, the copy experts, and the constant experts, in this order.
            tokens: float[groups, tokens, dim].
        """
        _, copies, constants = jnp.split(weights, (self.zero_experts, self.zero_experts + self.copy_experts), axis=-1)
        precise = tokens.astype(weights.dtype)
        outputs = copies.sum(-1, keepdims=True) * precise
        if self.constant_experts:
            shape = (*tokens.shape[:2], self.constant_experts, 2)
            mix = jax.nn.softmax((precise @ self.constant_kernel[...]).reshape(shape)) * constants[..., None]
            outputs += mix[..., 0].sum(-1, keepdims=True) * precise + mix[..., 1] @ self.constant[...]
        return outputs

    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        """Return the FLOPs of routing, α₁, α₂ and the sum of the constants included."""
        columns = self.experts + self.others + 3 * self.constant_experts
        return replace(super().flops(group_tokens, dim, training=training), router=2 * group_tokens * dim * columns)
