"""The result of a router: how tokens reach slots, and how outputs come back.

The tokens are a group's, and the slots are the experts'. Two kinds serve most strategies. `SoftRouting` is dense: each
slot is a weighted mean of all tokens. `SlotRouting`, in `hard_routing`, is hard: each slot has one token or none.
"""

import abc
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from moebench.routers.metrics import RoutingCounts, fewest_tokens, gate_entropy
from moebench.routers.pairs import TokenExperts

LOW_MASS = 0.25
"""Dispatch weight over all slots below which a soft router's token counts as under-dispatched."""
SLOT_SHARE = 0.9
"""Share of a slot's weight for which the fewest tokens are counted (2308.00951, figure 9)."""


@runtime_checkable
class ExpertMlps(Protocol):
    """Interface of a layer's experts for a routing."""

    def __call__(self, inputs: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
        """Return each expert's outputs for its own rows, equally many for all experts."""

    def ragged(self, inputs: Float[Array, "row dim"], sizes: Int[Array, "expert"]) -> Float[Array, "row dim"]:
        """Return each expert's outputs for its own rows, which are sorted by expert.

        Args:
            inputs: float[rows, dim].
            sizes: rows of each expert.
        """

    def merged(
        self, tokens: Float[Array, "group token dim"], weights: Float[Array, "group expert"]
    ) -> Float[Array, "group token dim"]:
        """Return the outputs of one merged MLP for each group.

        The parameters of the MLP are a weighted sum of the experts' parameters.
        """


@dataclass(frozen=True, kw_only=True)
class Routing(abc.ABC):
    """Routing of groups of tokens, with all arrays for layers, losses and reports."""

    gates: Float[Array, "group token expert"]
    """Each token's weights over the experts before any capacity, without noise."""
    losses: dict[str, Float[Array, ""]] = field(default_factory=dict)
    """Auxiliary losses by name, unweighted, averaged over groups."""

    if TYPE_CHECKING:  # Subclasses define a field or a property, so that an abstract property would be in the way.

        @property
        def dispatch_weights(self) -> Float[Array, "group token expert slot"]:
            """Dense view of `dispatch`, which a hard routing builds on request only."""

        @property
        def combine_weights(self) -> Float[Array, "group token expert slot"]:
            """Dense view of `combine`, which a hard routing builds on request only."""

    @abc.abstractmethod
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        """Return the experts' inputs; an empty slot is zero."""

    @abc.abstractmethod
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        """Return the tokens' outputs; a token that no expert processed is zero."""

    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        """Return the layer's outputs: tokens to slots, slots through the experts, and back."""
        with jax.named_scope("dispatch_combine/dispatch"):
            inputs = self.dispatch(tokens)
        with jax.named_scope("experts"):
            outputs = experts(inputs.reshape(inputs.shape[0], -1, inputs.shape[-1]))
        with jax.named_scope("dispatch_combine/combine"):
            return self.combine(outputs.reshape(inputs.shape))

    @property
    def calls(self) -> Float[Array, "group token"] | None:
        """Expert calls of each token; None if slots contain mixtures.

        With mixtures, all tokens have equal cost.
        """
        return None

    def pairs(self) -> TokenExperts | None:
        """Return the experts of every token, for inspection; None if slots contain mixtures of tokens."""
        return None

    def bare(self) -> "Routing":
        """Return the routing without losses and fields for inspection, which neither `apply` nor `counts` reads."""
        return replace(self, losses={})

    @abc.abstractmethod
    def counts(self) -> RoutingCounts:
        """Return the sums behind `metrics`, which add up over batches."""

    def metrics(self) -> dict[str, Array]:
        """Return the health metrics of this routing; `RoutingCounts.metrics` defines the entries."""
        return self.counts().metrics()


def mix(
    weights: Float[Array, "group token expert slot"], tokens: Float[Array, "group token dim"]
) -> Float[Array, "expert group slot dim"]:
    """Return slots filled with weighted sums of tokens."""
    groups, _, experts, slots = weights.shape
    mixed = jnp.einsum("gsn,gsd->gnd", _flat(weights, tokens.dtype), tokens)
    return mixed.reshape(groups, experts, slots, -1).swapaxes(0, 1)


def unmix(
    weights: Float[Array, "group token expert slot"], outputs: Float[Array, "expert group slot dim"]
) -> Float[Array, "group token dim"]:
    """Return for each token the weighted sum of the slots' outputs."""
    by_group = outputs.swapaxes(0, 1).reshape(weights.shape[0], -1, outputs.shape[-1])
    return jnp.einsum("gsn,gnd->gsd", _flat(weights, outputs.dtype), by_group)


def _flat(weights: Float[Array, "group token expert slot"], dtype: jnp.dtype) -> Float[Array, "group token anyslot"]:
    """Return the weights with the slots of all experts side by side.

    The form fits one matrix product.
    """
    return weights.astype(dtype).reshape(*weights.shape[:2], -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SoftRouting(Routing):
    """Routing by mixtures: slots mix all tokens, and outputs mix all slots' outputs."""

    dispatch_weights: Float[Array, "group token expert slot"]
    combine_weights: Float[Array, "group token expert slot"]

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return mix(self.dispatch_weights, tokens)

    @override
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return unmix(self.combine_weights, outputs)

    @override
    def counts(self) -> RoutingCounts:
        groups, tokens, experts, slots = self.dispatch_weights.shape
        mass = self.combine_weights.sum((0, 1, 3))
        everything = jnp.asarray(groups * tokens, jnp.float32)
        all_slots = jnp.asarray(groups * experts * slots, jnp.float32)
        return RoutingCounts(
            tokens=everything,
            unprocessed=jnp.zeros(()),
            choices=jnp.zeros(()),
            dropped_choices=jnp.zeros(()),
            load=mass,
            requested_load=mass,
            entropy=gate_entropy(self.gates),
            filled=all_slots,
            slots=all_slots,
            under_dispatched=(self.dispatch_weights.sum((2, 3)) < LOW_MASS).sum().astype(jnp.float32),
            slot_spread=fewest_tokens(self.dispatch_weights, SLOT_SHARE).sum(),
        )
