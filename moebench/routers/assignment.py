"""Assign tokens to experts in balance: by Sinkhorn's scaling, and by an auction."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MOST_ROUNDS = 10_000
"""Rounds after which an auction ends; tokens without an expert then take free slots."""


def sinkhorn(logits: Float[Array, "group token expert"], iterations: int = 50) -> Float[Array, "group token expert"]:
    """Return the logarithms of exp(logits), scaled until experts have equal totals (1306.0895).

    Rows and columns are scaled in turn. Rows add up to 1 exactly, columns to S / E up to what the iterations leave.
    """
    _, tokens, experts = logits.shape

    def scaled(_: Int[Array, ""], logs: Float[Array, "group token expert"]) -> Float[Array, "group token expert"]:
        logs = logs - jax.nn.logsumexp(logs, axis=1, keepdims=True) + jnp.log(tokens / experts)
        return logs - jax.nn.logsumexp(logs, axis=2, keepdims=True)

    plan: Float[Array, "group token expert"] = jax.lax.fori_loop(0, iterations, scaled, logits)
    return plan


@partial(jax.vmap, in_axes=(0, None, None))
def auction(scores: Float[Array, "token expert"], slots: int, tolerance: float) -> Int[Array, "token"]:
    """Return an expert for each token, of nearly the largest total score.

    No expert has more tokens than slots.

    Bertsekas' auction with experts of several slots: in each round every token without an expert bids for its best
    expert at the present prices, raising the price by its advantage over the second best and by ε. An expert keeps its
    highest bids; the price of a full expert is its lowest bid. The total is less than the optimum by at most ε for each
    token, ε being `tolerance` times the range of the scores.

    Args:
        scores: float[tokens, experts].
        slots: slots of each expert; there must be a slot for every token.
        tolerance: ε as a share of the scores' range.
    """
    tokens, experts = scores.shape
    epsilon = jnp.maximum(tolerance * (scores.max() - scores.min()), 1e-30)
    nobody = experts

    def unfinished(state: tuple[Array, ...]) -> Bool[Array, ""]:
        expert, _, _, rounds = state
        return (expert == nobody).any() & (rounds < MOST_ROUNDS)

    def one_round(state: tuple[Array, ...]) -> tuple[Array, ...]:
        expert, bid, price, rounds = state
        worth = scores - price
        liked, best = worth.argmax(1), worth.max(1)
        others = jnp.where(jnp.arange(experts) == liked[:, None], -jnp.inf, worth).max(1) if experts > 1 else best
        waiting = expert == nobody
        expert = jnp.where(waiting, liked, expert)
        bid = jnp.where(waiting, price[liked] + best - others + epsilon, bid)
        # By expert, its highest bid first: the first bids get slots.
        sorted_expert, falling_bid, bidder = jax.lax.sort((expert, -bid, jnp.arange(tokens)), num_keys=2)
        bounds = jnp.searchsorted(sorted_expert, jnp.arange(experts + 1))
        holds = jnp.arange(tokens) - bounds[sorted_expert] < slots
        last = jnp.minimum(bounds[:-1] + slots, tokens) - 1
        price = jnp.where(bounds[1:] - bounds[:-1] >= slots, -falling_bid[last], price)
        return jnp.full(tokens, nobody).at[bidder].set(jnp.where(holds, sorted_expert, nobody)), bid, price, rounds + 1

    start: tuple[Array, ...] = (
        jnp.full(tokens, nobody),
        jnp.zeros(tokens, scores.dtype),
        jnp.zeros(experts, scores.dtype),
        jnp.zeros((), int),
    )
    expert = jax.lax.while_loop(unfinished, one_round, start)[0]
    taken = jnp.zeros(experts, int).at[expert].add(1, mode="drop")
    free = jnp.repeat(jnp.arange(experts), slots - taken, total_repeat_length=tokens)
    late = expert == nobody
    return jnp.where(late, free[jnp.cumsum(late) - 1], expert)
