"""Route by Tokens Choice and Batch Prioritized Routing (2106.05974).

Every token chooses its k best experts. The two routers differ in the order in which tokens take the slots, which
decides whose choices a full expert drops.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.errors import unknown
from moebench.routers import losses
from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.router import RouterState, RoutingFlops
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order, softmax

PRIORITIES: dict[str, Callable[[Array], Array]] = {
    "max": lambda chosen: chosen[..., 0],
    "sum": lambda chosen: chosen.sum(-1),
}


@register("tokens-choice")
class TokensChoice(SparseRouter):
    """Tokens Choice: each token goes to its top k experts (2106.05974).

    Slots are taken in the order of the tokens.

    gates = softmax(x·kernel + noise), noise ~ N(0, (noise_std/E)²) in training only, then top k. The combine weight is
    the gate itself, not rescaled when another choice is dropped, and divided by the sum over the k only with
    `renormalise`. Each expert has round(S·k·C/E) slots; all first choices take slots before any second choice. Equal
    gates: the lower expert. `moebench.routers.losses` defines the losses.

    C is 1 by default, in evaluation as well: the expert compute of a dense MLP for k = 1. V-MoE's public configuration
    trains at C = 1.05 and evaluates at C = 4, with the capacity rule `vmoe`.
    """

    training_only_options = ("noise_std", "importance_weight", "load_weight", "gshard_weight", "z_weight")

    noise_std: float = 1.0
    """Standard deviation of the noise on the logits in training, times the number of experts; 0 for none."""
    renormalise: bool = False
    """Whether the weights of a token's choices are divided by their sum; needs top_k above 1."""
    importance_weight: float = 0.005
    """Weight of the importance loss in training: squared variation of the gates' sums over the experts."""
    load_weight: float = 0.005
    """Weight of the load loss in training: squared variation of the expected number of tokens of each expert."""
    gshard_weight: float = 0.0
    """Weight of the loss E · Σ f · P in training, from shares of first choices and mean gates."""
    z_weight: float = 0.0
    """Weight of the z loss in training: mean squared log of the sum of the exponentials of the logits."""

    @override
    def check(self) -> None:
        super().check()
        self.require(self.noise_std >= 0, "noise_std", "must be 0 or above")
        noisy = self.noise_std > 0 or not self.load_weight
        self.require(noisy, "load_weight", "must be 0 if noise_std is, since it is the load that noise would give")
        several = 1 not in (self.top_k, self.eval_top_k)
        self.require(several or not self.renormalise, "renormalise", "needs top_k above 1: a gate alone would be 1")

    @property
    @override
    def loss_weights(self) -> dict[str, float]:
        return {
            "importance": self.importance_weight,
            "load": self.load_weight,
            "gshard": self.gshard_weight,
            "z": self.z_weight,
        }

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        logits = self.logits(tokens)
        if noise_key is None:
            return self.route(logits, logits)
        return self.route(logits, with_noise(logits, self.noise_std, noise_key), noise_key=noise_key)

    def route(
        self,
        logits: Float[Array, "group token expert"],
        noisy_logits: Float[Array, "group token expert"],
        *,
        noise_key: PRNGKeyArray | None = None,
    ) -> Routing:
        """Route by noisy logits.

        Args:
            logits: float[groups, tokens, experts] without noise, for gates and losses.
            noisy_logits: logits that decide choices and weights; equal to `logits` if there is no noise.
            noise_key: key of a call in training; None: evaluation.
        """
        training = noise_key is not None
        gates, noisy_gates = softmax(logits), softmax(noisy_logits)
        chosen, expert = top_k(noisy_gates, self.choices(training))
        weights = noisy_gates / chosen.sum(-1, keepdims=True) if self.renormalise else noisy_gates
        return self.route_choices(
            gates,
            self.requested(expert, weights, noise_key),
            self.order(chosen),
            weights=weights,
            slots=self.slots(logits.shape[1], training),
            losses={
                "importance": losses.importance_loss(gates),
                "gshard": losses.gshard_loss(noisy_gates, expert[..., 0]),
                "z": losses.z_loss(logits),
                **self._load_loss(logits, noisy_logits),
            },
        )

    def requested(
        self,
        expert: Int[Array, "group token choice"],
        weights: Float[Array, "group token expert"],
        noise_key: PRNGKeyArray | None,
    ) -> Int[Array, "group token choice"]:
        """Return the choices that request a slot: all of them."""
        return expert

    def _load_loss(self, logits: Array, noisy_logits: Array) -> dict[str, Array]:
        """Return the load loss, or nothing without noise.

        Without noise an expert's load has no gradient.
        """
        std = self.noise_std / self.experts
        return {"load": losses.load_loss(logits, noisy_logits, std, self.top_k)} if std else {}

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Return the order in which tokens take slots: the order of the array."""
        return array_order(chosen)


def with_noise(
    logits: Float[Array, "group token expert"], noise_std: float, noise_key: PRNGKeyArray
) -> Float[Array, "group token expert"]:
    """Add noise ~ N(0, (noise_std/E)²) to the logits of E experts."""
    noise = jax.random.normal(noise_key, logits.shape, logits.dtype)
    return logits + noise * noise_std / logits.shape[-1]


@register("bpr")
class BatchPrioritized(TokensChoice):
    """Batch Prioritized Routing: Tokens Choice with slots for the surest tokens first (2106.05974).

    Tokens take slots in falling order of priority = max_e softmax(x·kernel + noise)_e, or of the sum over their top k.
    The order shows at small capacity factors, where many choices are dropped. All else is as in Tokens Choice.
    """

    permutation_equivariant = True

    priority: str = "max"
    """Priority of a token for slots: max, its largest gate, or sum, the sum of its top k gates; ties keep their
    order."""

    @override
    def check(self) -> None:
        super().check()
        if self.priority not in PRIORITIES:
            raise unknown("priority", self.priority, PRIORITIES, of=f"router '{self.name}'", key="priority")
        if self.top_k == 1 and self.eval_top_k in (None, 1):
            self.leave_out("has no effect with top_k=1, where the sum is the largest gate", "priority")

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Return the order in which tokens take slots: highest priority first."""
        return jnp.argsort(-PRIORITIES[self.priority](chosen), axis=-1, stable=True)


@register("random")
class Random(TokensChoice):
    """Tokens Choice with a frozen random gate: the experts' capacity without learned routing.

    gates = softmax(x·kernel + noise), top k and slots as in Tokens Choice. The kernel is drawn once and never trained,
    and no gradient passes through the logits, so that the tokens do not learn to be routed either. The losses of Tokens
    Choice would have no effect and must stay 0.
    """

    importance_weight = 0.0
    load_weight = 0.0

    @override
    def check(self) -> None:
        super().check()
        self.leave_out(
            "has no effect, since nothing about the routing is learned",
            *("importance_weight", "load_weight", "gshard_weight", "z_weight"),
        )

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        super().setup(dim, rngs)
        self.kernel = RouterState(self.kernel[...])

    def logits(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "group token expert"]:
        """Return tokens · kernel without a gradient."""
        return jax.lax.stop_gradient(super().logits(tokens))

    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        """Return the FLOPs of routing one group.

        The backward pass computes no gradient of logits or weights.
        """
        return super().flops(group_tokens, dim, training=training).without_gradient()
