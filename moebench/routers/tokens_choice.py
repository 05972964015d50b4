"""Tokens Choice and Batch Prioritized Routing (2106.05974): every token chooses its k best experts.

The two differ by the order in which tokens take the slots, which decides who is refused when an expert is full.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.errors import unknown
from moebench.routers import losses
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, softmax

PRIORITIES = {"max": lambda chosen: chosen[..., 0], "sum": lambda chosen: chosen.sum(-1)}


@register("tokens-choice")
class TokensChoice(SparseRouter):
    """Tokens Choice: each token goes to its top k experts; slots are taken in the order of the tokens (2106.05974).

    gates = softmax(x·kernel + noise), noise ~ N(0, (noise_std/E)²) where a noise key is given, then top k. The
    combine weight is the gate itself, neither renormalised over the k nor rescaled when a choice is refused. Each
    expert has round(S·k·C/E) slots; all first choices take slots before any second choice. Equal gates: the lower
    expert. Losses: see `moebench.routers.losses`; the options ending in `_weight` are their weights in training.
    """

    noise_std: float = 1.0
    importance_weight: float = 0.005
    load_weight: float = 0.005
    gshard_weight: float = 0.0
    z_weight: float = 0.0

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
        return self.route(logits, logits + noise * self.noise_std / self.experts)

    def route(
        self,
        logits: Float[Array, "group token expert"],
        noisy_logits: Float[Array, "group token expert"],
    ) -> Routing:
        """Choose by the noisy logits; giving the same array twice means no noise."""
        tokens, experts = logits.shape[1:]
        gates, noisy_gates = softmax(logits), softmax(noisy_logits)
        chosen, expert = jax.lax.top_k(noisy_gates, self.top_k)
        return self.fill(
            gates,
            assign_slots(expert, self.order(chosen), experts, self.slots(tokens)),
            weights=noisy_gates,
            demand=jnp.zeros(experts).at[expert.reshape(-1)].add(1),
            choices=self.top_k,
            losses={
                "importance": losses.importance_loss(gates),
                "load": losses.load_loss(logits, noisy_logits, self.noise_std / experts, self.top_k),
                "gshard": losses.gshard_loss(noisy_gates, expert[..., 0]),
                "z": losses.z_loss(logits),
            },
        )

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Who takes slots first: the tokens as they stand in the array."""
        return jnp.broadcast_to(jnp.arange(chosen.shape[1]), chosen.shape[:2])


@register("bpr")
class BatchPrioritized(TokensChoice):
    """Batch Prioritized Routing: Tokens Choice in which the surest tokens of the group take slots first (2106.05974).

    `priority` of a token is its largest gate ("max") or the sum of its top k ("sum"); equals keep their order in
    the array. It shows at small capacity factors, where many tokens are refused.
    """

    priority: str = "max"

    def check(self) -> None:
        super().check()
        if self.priority not in PRIORITIES:
            raise unknown(f"priority of router '{self.name}'", self.priority, PRIORITIES, key="priority")

    def order(self, chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
        """Who takes slots first: the tokens of highest priority."""
        return jnp.argsort(-PRIORITIES[self.priority](chosen), axis=-1, stable=True)


def assign_slots(
    expert: Int[Array, "group token choice"], order: Int[Array, "group token"], experts: int, slots: int
) -> Int[Array, "group {experts} {slots}"]:
    """Let tokens take slots at the experts they chose, all first choices before any second choice.

    Args:
        expert: the experts that each token chose, best first.
        order: token numbers; who stands first takes first.

    Returns:
        The token in each slot, or the number of tokens where the slot stays empty. Whoever finds an expert full is
        refused by it.
    """
    groups, tokens, choices = expert.shape
    queue = jnp.take_along_axis(expert, order[..., None], axis=1).swapaxes(1, 2).reshape(groups, choices * tokens)
    # A stable sort by expert keeps the queue's order among those who want the same expert.
    sorted_expert, place_in_queue = jax.lax.sort_key_val(
        queue, jnp.broadcast_to(jnp.arange(choices * tokens), queue.shape), is_stable=True
    )
    wanted = jax.vmap(lambda ranked: jnp.searchsorted(ranked, jnp.arange(experts + 1)))(sorted_expert)
    place = wanted[:, :-1, None] + jnp.arange(slots)
    filled = place < wanted[:, 1:, None]
    taken = jnp.take_along_axis(place_in_queue, place.reshape(groups, -1), axis=-1, mode="clip")
    token = jnp.take_along_axis(order, taken % tokens, axis=-1).reshape(groups, experts, slots)
    return jnp.where(filled, token, tokens)
