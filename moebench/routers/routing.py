"""What a router returns: how a group's tokens reach the slots of the experts, and how outputs come back.

Two kinds serve all strategies. `SlotRouting` is hard: each slot holds one token or none, and the tokens travel by
gather and scatter. `SoftRouting` is dense: each slot holds a weighted mean of all tokens.
"""

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from moebench.routers.health import RoutingCounts, gate_entropy

LOW_MASS = 0.25
"""A soft router's token with less dispatch weight than this over all slots is hardly processed."""
SLOT_SHARE = 0.9
"""Share of a slot's weight whose smallest set of tokens is counted (2308.00951, figure 9)."""


@dataclass(frozen=True, kw_only=True)
class Routing(abc.ABC):
    """The routing of groups of tokens: everything about it that a layer, a loss or a report needs."""

    gates: Float[Array, "group token expert"]
    """Each token's weights over the experts before any capacity, without noise."""
    losses: dict[str, Float[Array, ""]] = field(default_factory=dict)
    """Auxiliary losses by name, unweighted, averaged over groups."""

    if TYPE_CHECKING:  # A stored field serves as well as a property, so no abstract one stands in its way.

        @property
        def dispatch_weights(self) -> Float[Array, "group token expert slot"]:
            """Dense view of `dispatch`; a hard routing makes it only when asked."""

        @property
        def combine_weights(self) -> Float[Array, "group token expert slot"]:
            """Dense view of `combine`; a hard routing makes it only when asked."""

    @abc.abstractmethod
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        """The experts' inputs; an empty slot is zero."""

    @abc.abstractmethod
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        """The tokens' outputs; a token that no expert processed is zero."""

    @abc.abstractmethod
    def counts(self) -> RoutingCounts:
        """The sums behind `metrics`, which add up over batches."""

    def metrics(self) -> dict[str, Array]:
        """Health of this routing: `RoutingCounts.metrics` says what each entry means."""
        return self.counts().metrics()


def mix(
    weights: Float[Array, "group token expert slot"], tokens: Float[Array, "group token dim"]
) -> Float[Array, "expert group slot dim"]:
    """Fill slots with weighted sums of tokens."""
    return jnp.einsum("gsep,gsd->egpd", weights.astype(tokens.dtype), tokens)


def unmix(
    weights: Float[Array, "group token expert slot"], outputs: Float[Array, "expert group slot dim"]
) -> Float[Array, "group token dim"]:
    """Give each token the weighted sum of the slots' outputs."""
    return jnp.einsum("gsep,egpd->gsd", weights.astype(outputs.dtype), outputs)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SoftRouting(Routing):
    """Every slot a mixture of all tokens of its group, every token's output a mixture of all slots' outputs."""

    dispatch_weights: Float[Array, "group token expert slot"]
    combine_weights: Float[Array, "group token expert slot"]

    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return mix(self.dispatch_weights, tokens)

    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return unmix(self.combine_weights, outputs)

    def counts(self) -> RoutingCounts:
        groups, tokens, experts, slots = self.dispatch_weights.shape
        mass = self.combine_weights.sum((0, 1, 3))
        heaviest_first = jnp.sort(self.dispatch_weights, axis=1, descending=True)
        # A token is still needed while those before it carry less than the share.
        needed = jnp.cumsum(heaviest_first, axis=1) - heaviest_first < SLOT_SHARE
        everything = jnp.asarray(groups * tokens, jnp.float32)
        all_slots = jnp.asarray(groups * experts * slots, jnp.float32)
        return RoutingCounts(
            tokens=everything,
            unprocessed=jnp.zeros(()),
            choices=jnp.zeros(()),
            refused=jnp.zeros(()),
            load=mass,
            demand=mass,
            entropy=gate_entropy(self.gates),
            filled=all_slots,
            slots=all_slots,
            low_mass=(self.dispatch_weights.sum((2, 3)) < LOW_MASS).sum().astype(jnp.float32),
            slot_spread=needed.sum().astype(jnp.float32),
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SlotRouting(Routing):
    """Each slot one token, or none; tokens travel by gather and come back by scatter-add."""

    token: Int[Array, "group expert slot"]
    """Which token of the group the slot holds; the number of tokens where it is empty."""
    weight: Float[Array, "group expert slot"]
    """Weight of the slot's output in the token's sum; of no account where the slot is empty."""
    demand: Float[Array, "expert"]
    """Tokens that wanted each expert, summed over groups, before capacity."""
    choices: int = field(metadata={"static": True})
    """Experts that each token chose; 0 where tokens do not choose."""

    def _rows(self) -> Int[Array, "group expert slot"]:
        """Row of each slot's token among all groups' tokens laid end to end; past the end where it is empty."""
        groups, tokens, _ = self.gates.shape
        first = jnp.arange(groups)[:, None, None] * tokens
        return jnp.where(self._filled(), first + self.token, groups * tokens)

    def _filled(self) -> Array:
        return self.token < self.gates.shape[1]

    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        rows = tokens.reshape(-1, tokens.shape[-1])
        return jnp.take(rows, self._rows().swapaxes(0, 1), axis=0, mode="fill", fill_value=0)

    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        groups, tokens, _ = self.gates.shape
        dim = outputs.shape[-1]
        weighted = outputs * self.weight.astype(outputs.dtype).swapaxes(0, 1)[..., None]
        rows = self._rows().swapaxes(0, 1).reshape(-1)
        summed = jnp.zeros((groups * tokens, dim), outputs.dtype).at[rows].add(weighted.reshape(-1, dim), mode="drop")
        return summed.reshape(groups, tokens, dim)

    @property
    def dispatch_weights(self) -> Float[Array, "group token expert slot"]:
        tokens = self.gates.shape[1]
        return jnp.moveaxis(jax.nn.one_hot(self.token, tokens, dtype=self.gates.dtype), -1, 1)

    @property
    def combine_weights(self) -> Float[Array, "group token expert slot"]:
        return self.dispatch_weights * self.weight[:, None]

    def counts(self) -> RoutingCounts:
        groups, tokens, _ = self.gates.shape
        filled = self._filled()
        processed = jnp.zeros(groups * tokens, bool).at[self._rows().reshape(-1)].set(True, mode="drop")
        load = filled.sum((0, 2)).astype(jnp.float32)
        everything = jnp.asarray(groups * tokens, jnp.float32)
        choices = everything * self.choices
        return RoutingCounts(
            tokens=everything,
            unprocessed=everything - processed.sum(),
            choices=choices,
            refused=choices - load.sum() if self.choices else jnp.zeros(()),
            load=load,
            demand=self.demand.astype(jnp.float32),
            entropy=gate_entropy(self.gates),
            filled=load.sum(),
            slots=jnp.asarray(filled.size, jnp.float32),
            low_mass=jnp.asarray(jnp.nan),
            slot_spread=jnp.asarray(jnp.nan),
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class EinsumSlotRouting(SlotRouting):
    """The same routing with one-hot weights in a matrix product: what early systems and some accelerators do."""

    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return mix(self.dispatch_weights, tokens)

    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return unmix(self.combine_weights, outputs)
