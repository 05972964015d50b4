"""Tokens Choice and Batch Prioritized Routing (2106.05974): every token chooses its k best experts.

The two differ by the order in which tokens take the slots, which decides who is refused when an expert is full.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.errors import unknown
from moebench.routers import losses
from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order, softmax

PRIORITIES = {"max": lambda chosen: chosen[..., 0], "sum": lambda chosen: chosen.sum(-1)}


@register("tokens-choice")
class TokensChoice(SparseRouter):
    """Tokens Choice: each token goes to its top k experts; slots are taken in the order of the tokens (2106.05974).

    gates = softmax(x·kernel + noise), noise ~ N(0, (noise_std/E)²) where a noise key is given, then top k. The
    combine weight is the gate itself, not rescaled when a choice is refused, and over the k only with `renormalise`.
    Each expert has round(S·k·C/E) slots; all first choices take slots before any second choice. Equal gates: the
    lower expert. Losses: see
    `moebench.routers.losses`.
    """

    training_only_options = ("noise_std", "importance_weight", "load_weight", "gshard_weight", "z_weight")

    noise_std: float = 1.0
    """Standard deviation of the noise on the logits in training, times the number of experts; 0 for none."""
    renormalise: bool = False
    """Whether the weights of a token's choices are divided by their sum; needs top_k above 1."""
    importance_weight: float = 0.005
    """Weight of the importance loss in training: squared variation of the gates' sums over the experts."""
    load_weight: float = 0.005
    """Weight of the load loss: squared variation of how many tokens are expected to choose each expert."""
    gshard_weight: float = 0.0
    """Weight of the loss E · Σ f · P, of shares of first choices and mean gates."""
    z_weight: float = 0.0
    """Weight of the z loss: mean squared log of the sum of the exponentials of the logits."""

    def check(self) -> None:
        super().check()
        self.require(self.noise_std >= 0, "noise_std", "must be 0 or above")
        noisy = self.noise_std > 0 or not self.load_weight
        self.require(noisy, "load_weight", "must be 0 where noise_std is, since it is the load that noise would give")
        several = 1 not in (self.top_k, self.eval_top_k)
        self.require(several or not self.renormalise, "renormalise", "needs top_k above 1: a gate alone would be 1")

    @property
    def loss_weights(self) -> dict[str, float]:
        return {
            "importance": self.importance_weight,
            "load": self.load_weight,
            "gshard": self.gshard_weight,
            "z": self.z_weight,
        }

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        logits = self.logits(tokens)
        if noise_key is None:
            return self.route(logits, logits)
        noise = jax.random.normal(noise_key, logits.shape, logits.dtype)
        return self.route(logits, logits + noise * self.noise_std / self.experts, noise_key=noise_key)

    def route(
        self,
        logits: Float[Array, "group token expert"],
        noisy_logits: Float[Array, "group token expert"],
        *,
        noise_key: PRNGKeyArray | None = None,
    ) -> Routing:
        """Choose by the noisy logits; giving the same array twice means no noise. A key says that it is training."""
        gates, noisy_gates = softmax(logits), softmax(noisy_logits)
        chosen, expert = top_k(noisy_gates, self.choices(noise_key is not None))
        weights = noisy_gates / chosen.sum(-1, keepdims=True) if self.renormalise else noisy_gates
        return self.route_choices(
            gates,
            self.kept(expert, weights, noise_key),
            self.order(chosen),
            weights=weights,
            slots=self.slots(logits.shape[1], noise_key is not None),
            losses={
                "importance": losses.importance_loss(gates),
                "gshard": losses.gshard_loss(noisy_gates, expert[..., 0]),
                "z": losses.z_loss(logits),
                **self._load_loss(logits, noisy_logits),
            },
        )

    def kept(
        self,
        expert: Int[Array, "group token choice"],
        weights: Float[Array, "group token expert"],
        noise_key: PRNGKeyArray | None,
    ) -> Int[Array, "group token choice"]:
        """The choices that ask for a slot: all of them."""
        return expert

    def _load_loss(self, logits: Array, noisy_logits: Array) -> dict[str, Array]:
        """Where there is noise: without any, an expert's load has no gradient and the loss no meaning."""
        std = self.noise_std / self.experts
        return {"load": losses.load_loss(logits, noisy_logits, std, self.top_k)} if std else {}

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Who takes slots first: the tokens as they stand in the array."""
        return array_order(chosen)


@register("bpr")
class BatchPrioritized(TokensChoice):
    """Batch Prioritized Routing: Tokens Choice in which the surest tokens of the group take slots first (2106.05974).

    The order shows at small capacity factors, where many tokens are refused. All else is as in Tokens Choice.
    """

    permutation_equivariant = True

    priority: str = "max"
    """A token's claim to a slot: max, its largest gate, or sum, that of its top k; equals keep their order."""

    def check(self) -> None:
        super().check()
        if self.priority not in PRIORITIES:
            raise unknown("priority", self.priority, PRIORITIES, of=f"router '{self.name}'", key="priority")

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Who takes slots first: the tokens of highest priority."""
        return jnp.argsort(-PRIORITIES[self.priority](chosen), axis=-1, stable=True)
