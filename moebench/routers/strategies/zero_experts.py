"""MoE++ (2410.07348): beside the MLPs stand experts that cost nothing."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.routers.hard_routing import SlotRouting
from moebench.routers.metrics import RoutingCounts, gate_entropy
from moebench.routers.registry import register
from moebench.routers.router import RoutingFlops
from moebench.routers.routing import ExpertMlps, Routing
from moebench.routers.sparse import SparseRouter, array_order, softmax


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class BesideRouting(Routing):
    """A routing to MLPs, and what the tokens get beside them. `gates` are those of all experts."""

    mlps: SlotRouting
    beside: Float[Array, "group token dim"]
    """Weighted outputs of the experts that are no MLPs."""
    chosen_beside: Int[Array, "group token"]
    """How many of such experts each token chose."""

    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return self.mlps.dispatch(tokens)

    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return self.mlps.combine(outputs) + self.beside.astype(outputs.dtype)

    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        outputs = self.mlps.apply(tokens, experts)
        return outputs + self.beside.astype(outputs.dtype)

    @property
    def dispatch_weights(self) -> Float[Array, "group token mlp slot"]:
        return self.mlps.dispatch_weights

    @property
    def combine_weights(self) -> Float[Array, "group token mlp slot"]:
        return self.mlps.combine_weights

    @property
    def calls(self) -> Float[Array, "group token"]:
        """Those of the MLPs: the others cost nothing."""
        return self.mlps.calls

    def counts(self) -> RoutingCounts:
        """Load and demand are those of the MLPs; a token that any expert takes is processed."""
        counts = self.mlps.counts()
        return replace(
            counts,
            unprocessed=counts.tokens - (self.mlps.processed | (self.chosen_beside > 0)).sum(),
            choices=counts.choices + self.chosen_beside.sum(),
            entropy=gate_entropy(self.gates),
        )


@register("zero-experts")
class ZeroExperts(SparseRouter):
    """MoE++: top k of MLPs and of experts that cost nothing, which give zero, a copy, or a constant (2410.07348).

    gates = softmax(x·kernel) over the `experts` MLPs and, after them, the zero experts (0), the copy experts (x) and
    the constant experts (α₁·x + α₂·v with [α₁, α₂] = softmax(W·x), v and W learned); y = Σ gate · expert over the
    top k. An MLP has round(τ·S·k·C / (τ·E + Z)) slots, Z the number of the others, whose use is not limited. Loss
    "balance" = Σ_i η_i · f_i · P_i, f the share of tokens that choose the expert, P its mean gate, η 1 for MLPs and τ
    for others. The paper's gating residual between layers is left out, since a router sees its own layer only.
    """

    top_k = 2
    training_only_options = ("balance_weight",)

    zero_experts: int = 1
    """Experts that give 0."""
    copy_experts: int = 1
    """Experts that give the token back."""
    constant_experts: int = 2
    """Experts that mix the token with a learned vector."""
    tau: float = 0.75
    """Tokens that an MLP is meant to get, over those of an expert that costs nothing."""
    balance_weight: float = 0.01
    """Weight of the balance loss in training."""

    def check(self) -> None:
        super().check()
        for option in ("zero_experts", "copy_experts", "constant_experts"):
            self.require(getattr(self, option) >= 0, option, "must be 0 or above")
        self.require(self.tau > 0, "tau", "must be above 0")

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"balance": self.balance_weight}

    @property
    def others(self) -> int:
        """Experts that are no MLPs."""
        return self.zero_experts + self.copy_experts + self.constant_experts

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        draw = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(draw(rngs.params(), (dim, self.experts + self.others), jnp.float32))
        if self.constant_experts:
            self.constant = nnx.Param(jax.random.normal(rngs.params(), (self.constant_experts, dim)))
            self.constant_kernel = nnx.Param(draw(rngs.params(), (dim, self.constant_experts * 2), jnp.float32))

    @property
    def capacity_experts(self) -> int | float:
        return self.experts + self.others / self.tau

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        gates = softmax(self.logits(tokens))
        expert = jax.lax.top_k(gates, self.choices(training))[1]
        chosen = jax.nn.one_hot(expert, gates.shape[-1], dtype=gates.dtype).sum(2)
        of_mlps = gates[..., : self.experts]
        mlps = self.route_choices(
            of_mlps, expert, array_order(gates), weights=of_mlps, slots=self.slots(tokens.shape[1], training)
        )
        price = jnp.where(jnp.arange(gates.shape[-1]) < self.experts, 1, self.tau)
        return BesideRouting(
            gates=gates,
            mlps=mlps,
            beside=self.answers((gates * chosen)[..., self.experts :], tokens),
            chosen_beside=(expert >= self.experts).sum(-1),
            losses={"balance": (price * chosen.mean(1) * gates.mean(1)).sum(-1).mean()},
        )

    def answers(
        self, weights: Float[Array, "group token other"], tokens: Float[Array, "group token dim"]
    ) -> Float[Array, "group token dim"]:
        """What the experts that are no MLPs give, by the weights of each; zero experts come first, then copies."""
        _, copies, constants = jnp.split(weights, (self.zero_experts, self.zero_experts + self.copy_experts), axis=-1)
        precise = tokens.astype(weights.dtype)
        answers = copies.sum(-1, keepdims=True) * precise
        if self.constant_experts:
            shape = (*tokens.shape[:2], self.constant_experts, 2)
            mix = jax.nn.softmax((precise @ self.constant_kernel[...]).reshape(shape)) * constants[..., None]
            answers += mix[..., 0].sum(-1, keepdims=True) * precise + mix[..., 1] @ self.constant[...]
        return answers

    def flops(self, group_tokens: int, dim: int) -> RoutingFlops:
        """The experts beside the MLPs count as routing: α₁, α₂ and the sum of the constants."""
        columns = self.experts + self.others + 3 * self.constant_experts
        return replace(super().flops(group_tokens, dim), router=2 * group_tokens * dim * columns)
