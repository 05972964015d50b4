"""Health metrics of a routing, from sums over batches and ratios of the sums.

One set of definitions serves hard and soft routers, so that one table compares them.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RoutingCounts:
    """Sums over one call of a router.

    The sum of two counts describes both calls together.
    """

    tokens: Float[Array, ""]
    """Tokens routed."""
    unprocessed: Float[Array, ""]
    """Tokens that no expert processed."""
    choices: Float[Array, ""]
    """(token, choice) pairs requested; 0 if tokens do not choose."""
    dropped_choices: Float[Array, ""]
    """(token, choice) pairs over capacity."""
    load: Float[Array, "expert"]
    """Tokens that each expert processed; of soft routers, the combine weight of each expert."""
    requested_load: Float[Array, "expert"]
    """Tokens that chose each expert, before capacity; the gates' sum if tokens do not choose."""
    entropy: Float[Array, ""]
    """Sum over tokens of the entropy of the token's gates, over the logarithm of the number of gates."""
    filled: Float[Array, ""]
    """Slots that had a token."""
    slots: Float[Array, ""]
    """All slots, filled or not."""
    under_dispatched: Float[Array, ""]
    """Soft routers: tokens whose dispatch weights sum to less than 0.25; NaN for hard routers."""
    slot_spread: Float[Array, ""]
    """Soft routers: sum over slots of the tokens that carry 90 % of the slot's weight; NaN for hard routers."""

    def __add__(self, other: "RoutingCounts") -> "RoutingCounts":
        total: RoutingCounts = jax.tree.map(jnp.add, self, other)
        return total

    def metrics(self) -> dict[str, Array]:
        """Return the ratios under the names of the result table's columns.

        A ratio without meaning is NaN.
        """
        mean_load = self.load.mean()
        return {
            "dropped_tokens": self.unprocessed / self.tokens,
            "dropped_assignments": self.dropped_choices / self.choices,
            "load_cv": self.load.std() / mean_load,
            # 2408.15664, section 3.1: 0 is perfect balance.
            "max_violation": self.load.max() / mean_load - 1,
            "router_entropy": self.entropy / self.tokens,
            "dead_experts": (self.load == 0).mean(),
            "slot_utilisation": self.filled / self.slots,
            "under_dispatched_tokens": self.under_dispatched / self.tokens,
            "tokens_per_slot_90": self.slot_spread / self.slots,
            "expert_load": self.load / self.tokens,
            "expert_load_requested": self.requested_load / self.tokens,
        }


def gate_entropy(gates: Float[Array, "group token gate"]) -> Float[Array, ""]:
    """Return the entropy of each token's gates, summed over all tokens.

    The entropy of a token is divided by the logarithm of the number of gates. Gates that do not add up to 1 are taken
    as shares of their sum. The entropy of a single gate is NaN.
    """
    if gates.shape[-1] == 1:
        return jnp.asarray(jnp.nan)
    total = gates.sum(-1, keepdims=True)
    shares = gates / jnp.where(total > 0, total, 1)
    return jax.scipy.special.entr(shares).sum() / jnp.log(gates.shape[-1])


_HALVINGS = 32
"""Number of halvings of the interval of weights from 0 to 1, after which its ends are indistinguishable."""


def fewest_tokens(weights: Float[Array, "group token *slot"], share: float) -> Float[Array, "group *slot"]:
    """Return for each slot the fewest tokens that have a share of its weights.

    The heaviest tokens are found by halving an interval of weights, and not by sorting: sorting the tokens of each slot
    takes XLA on CPUs several times as long as the model's forward pass.

    Args:
        weights: float[groups, tokens, …], from 0 to 1, adding up to 1 over the tokens of a group.
        share: share of the sum of a slot's weights, above 0 and below 1.
    """

    def halve(_: Int[Array, ""], ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        enough = jnp.where(weights > middle, weights, 0).sum(1, keepdims=True) >= share
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    zeros = jnp.zeros_like(weights[:, :1])
    _, high = jax.lax.fori_loop(0, _HALVINGS, halve, (zeros, zeros + 1))
    heavier = weights > high
    missing = share - jnp.where(heavier, weights, 0).sum(1)
    next_weight = jnp.where(heavier, 0, weights).max(1)
    # Tokens of equal weight count until the share is full. The margin is for the rounding of sums such as 9 · 0.1.
    equals = jnp.ceil(missing / jnp.maximum(next_weight, 1e-30) - 1e-4)
    found: Array = (heavier.sum(1) + jnp.clip(equals, 0, weights.shape[1])).astype(jnp.float32)
    return found
