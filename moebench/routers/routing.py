"""What a router returns: how a group's tokens reach the slots of the experts, and how outputs come back.

Two kinds serve most strategies. `SoftRouting` is dense: each slot holds a weighted mean of all tokens. `SlotRouting`,
in a file of its own, is hard: each slot holds one token or none.
"""

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from moebench.routers.metrics import RoutingCounts, gate_entropy

LOW_MASS = 0.25
"""A soft router's token with less dispatch weight than this over all slots is hardly processed."""
SLOT_SHARE = 0.9
"""Share of a slot's weight whose smallest set of tokens is counted (2308.00951, figure 9)."""


@runtime_checkable
class ExpertMlps(Protocol):
    """The experts of a layer, as a routing meets them."""

    def __call__(self, inputs: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
        """Every expert its own rows, the same number for each."""

    def ragged(self, inputs: Float[Array, "row dim"], sizes: Int[Array, "expert"]) -> Float[Array, "row dim"]:
        """Every expert its own rows, which stand one expert after the other; `sizes` says how many each has."""

    def merged(
        self, tokens: Float[Array, "group token dim"], weights: Float[Array, "group expert"]
    ) -> Float[Array, "group token dim"]:
        """One MLP for each group, whose parameters are the experts' in a weighted sum."""


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

    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        """The whole layer: tokens to slots, slots through the experts, and back."""
        with jax.named_scope("dispatch_combine"):
            inputs = self.dispatch(tokens)
        with jax.named_scope("experts"):
            outputs = experts(inputs.reshape(inputs.shape[0], -1, inputs.shape[-1]))
        with jax.named_scope("dispatch_combine"):
            return self.combine(outputs.reshape(inputs.shape))

    @property
    def calls(self) -> Float[Array, "group token"] | None:
        """Expert calls that each token gets; None where slots hold mixtures, so that every token's are the same."""
        return None

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
    groups, _, experts, slots = weights.shape
    mixed = jnp.einsum("gsn,gsd->gnd", _flat(weights, tokens.dtype), tokens)
    return mixed.reshape(groups, experts, slots, -1).swapaxes(0, 1)


def unmix(
    weights: Float[Array, "group token expert slot"], outputs: Float[Array, "expert group slot dim"]
) -> Float[Array, "group token dim"]:
    """Give each token the weighted sum of the slots' outputs."""
    by_group = outputs.swapaxes(0, 1).reshape(weights.shape[0], -1, outputs.shape[-1])
    return jnp.einsum("gsn,gnd->gsd", _flat(weights, outputs.dtype), by_group)


def _flat(weights: Float[Array, "group token expert slot"], dtype: jnp.dtype) -> Float[Array, "group token anyslot"]:
    """The weights with the slots of all experts side by side, so that one product with them is one of matrices."""
    return weights.astype(dtype).reshape(*weights.shape[:2], -1)


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
            requested_load=mass,
            entropy=gate_entropy(self.gates),
            filled=all_slots,
            slots=all_slots,
            under_dispatched=(self.dispatch_weights.sum((2, 3)) < LOW_MASS).sum().astype(jnp.float32),
            slot_spread=needed.sum().astype(jnp.float32),
        )
