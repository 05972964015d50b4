"""Hard routing: each slot has one token or none.

There is one class for each way to move tokens.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from moebench.routers.cpu_kernels import is_split, weighted
from moebench.routers.metrics import RoutingCounts, gate_entropy
from moebench.routers.pairs import TokenExperts, at_experts, ranked
from moebench.routers.routing import ExpertMlps, Routing, mix, unmix


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class SlotRouting(Routing):
    """Hard routing by gather and scatter-add."""

    token: Int[Array, "group expert slot"]
    """Number of the token in each slot; the number of tokens marks an empty slot."""
    weight: Float[Array, "group expert slot"]
    """Weight of the slot's output in the token's sum; unused if the slot is empty."""
    requested_load: Float[Array, "expert"]
    """Tokens that chose each expert, summed over groups, before capacity."""
    choices: int = field(metadata={"static": True})
    """Most experts that a token can choose; 0 if experts choose their tokens."""
    requested: Int[Array, "group token choice"] | Bool[Array, "group token expert"] | None = None
    """The experts that each token chose, best first, or which experts each token takes; before capacity, for
    inspection. None if tokens do not choose."""
    order: Int[Array, "group token"] | None = None
    """Token numbers in the order in which the tokens of a group take slots; for inspection."""

    def _rows(self) -> Int[Array, "group expert slot"]:
        """Return the row of each slot's token among all groups' tokens.

        An empty slot has the row past the end.
        """
        groups, tokens, _ = self.gates.shape
        first = jnp.arange(groups)[:, None, None] * tokens
        return jnp.where(self._filled(), first + self.token, groups * tokens)

    def _filled(self) -> Array:
        return self.token < self.gates.shape[1]

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        if is_split():
            # Each group's slots take from the group's own tokens, so that no device needs the tokens of another.
            return jax.vmap(_taken)(tokens, self.token).swapaxes(0, 1)
        rows = tokens.reshape(-1, tokens.shape[-1])
        return jnp.take(rows, self._rows().swapaxes(0, 1), axis=0, mode="fill", fill_value=0)

    @override
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        groups, tokens, _ = self.gates.shape
        dim = outputs.shape[-1]
        scaled = weighted(outputs, self.weight.astype(outputs.dtype).swapaxes(0, 1))
        if is_split():
            zeros = jnp.zeros((groups, tokens, dim), outputs.dtype)
            return jax.vmap(_added)(zeros, self.token, scaled.swapaxes(0, 1))
        rows = self._rows().swapaxes(0, 1).reshape(-1)
        summed = jnp.zeros((groups * tokens, dim), outputs.dtype).at[rows].add(scaled.reshape(-1, dim), mode="drop")
        return summed.reshape(groups, tokens, dim)

    @property
    @override
    def dispatch_weights(self) -> Float[Array, "group token expert slot"]:
        tokens = self.gates.shape[1]
        return jnp.moveaxis(jax.nn.one_hot(self.token, tokens, dtype=self.gates.dtype), -1, 1)

    @property
    @override
    def combine_weights(self) -> Float[Array, "group token expert slot"]:
        return self.dispatch_weights * self.weight[:, None]

    @property
    def calls(self) -> Float[Array, "group token"]:
        """Number of slots of each token."""
        groups, tokens, _ = self.gates.shape
        slots = jnp.zeros(groups * tokens).at[self._rows().reshape(-1)].add(1, mode="drop")
        return slots.reshape(groups, tokens)

    @property
    def processed(self) -> Bool[Array, "group token"]:
        """Whether any slot has the token."""
        return self.calls > 0

    @override
    def bare(self) -> "SlotRouting":
        return replace(self, losses={}, requested=None, order=None)

    @override
    def pairs(self) -> TokenExperts:
        groups, tokens, _ = self.gates.shape
        at = (jnp.arange(groups)[:, None, None], self.token, jnp.arange(self.token.shape[1])[None, :, None])
        zeros = jnp.zeros((groups, tokens, self.token.shape[1]), self.weight.dtype)
        held, weights = zeros.at[at].add(1, mode="drop"), zeros.at[at].add(self.weight, mode="drop")
        if self.requested is not None and self.requested.dtype != bool:
            expert = self.requested
        else:
            expert = ranked(held > 0 if self.requested is None else self.requested, self.gates)
        return TokenExperts(
            expert=expert,
            gate=at_experts(self.gates, expert),
            weight=at_experts(weights, expert),
            dropped=at_experts(held, expert) == 0,
            order=self.order,
        )

    @override
    def counts(self) -> RoutingCounts:
        groups, tokens, _ = self.gates.shape
        filled = self._filled()
        load = filled.sum((0, 2)).astype(jnp.float32)
        everything = jnp.asarray(groups * tokens, jnp.float32)
        choices = self.requested_load.sum() if self.choices else jnp.zeros(())
        return RoutingCounts(
            tokens=everything,
            unprocessed=everything - self.processed.sum(),
            choices=choices,
            dropped_choices=choices - load.sum() if self.choices else choices,
            load=load,
            requested_load=self.requested_load.astype(jnp.float32),
            entropy=gate_entropy(self.gates),
            filled=load.sum(),
            slots=jnp.asarray(filled.size, jnp.float32),
            under_dispatched=jnp.asarray(jnp.nan),
            slot_spread=jnp.asarray(jnp.nan),
        )


def _taken(tokens: Array, token: Array) -> Array:
    """Return the tokens of one group in its slots; an empty slot is zero."""
    return jnp.take(tokens, token, axis=0, mode="fill", fill_value=0)


def _added(total: Array, token: Array, rows: Array) -> Array:
    """Add the rows of one group's slots to their tokens; empty slots add nothing."""
    return total.at[token].add(rows, mode="drop")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class EinsumSlotRouting(SlotRouting):
    """Hard routing by matrix products with one-hot weights.

    Early systems and some accelerators work in this way.
    """

    @override
    def dispatch(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "expert group slot dim"]:
        return mix(self.dispatch_weights, tokens)

    @override
    def combine(self, outputs: Float[Array, "expert group slot dim"]) -> Float[Array, "group token dim"]:
        return unmix(self.combine_weights, outputs)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class RaggedSlotRouting(SlotRouting):
    """Hard routing with the filled slots alone, sorted by expert.

    The experts compute no empty slot.

    On accelerators the experts multiply blocks of rows of one expert each (`moebench.routers.grouped_matmul`). On CPUs
    the products are jax.lax.ragged_dot, which computes every row for every expert: right, but slow.
    """

    @override
    def apply(self, tokens: Float[Array, "group token dim"], experts: ExpertMlps) -> Float[Array, "group token dim"]:
        """Return the layer's outputs; arguments are those of a `Routing`.

        If a mesh splits images and experts, tokens travel to their experts in slots, as in the other ways, if there are
        at most twice as many slots as can be filled. With more slots, such as one for each token and expert, the
        experts' parameters travel to the tokens: no shape would bound the tokens that one device receives.
        """
        if not is_split():
            return self._apply_here(tokens, experts)
        if self.token.shape[1] * self.token.shape[2] <= 2 * self._most_filled():
            return super().apply(tokens, experts)
        by_images = PartitionSpec(jax.sharding.get_abstract_mesh().axis_names)
        split: Any = nnx.split(experts)
        graph, parameters = split

        def here(tokens: Array, gates: Array, token: Array, weight: Array, parameters: Any) -> Array:
            routing = replace(self, gates=gates, token=token, weight=weight, losses={}, requested=None, order=None)
            return routing._apply_here(tokens, nnx.merge(graph, parameters))

        specs = *[by_images] * 4, PartitionSpec()
        apply = jax.shard_map(here, in_specs=specs, out_specs=by_images, check_vma=False)
        outputs: Array = apply(tokens, self.gates, self.token, self.weight, parameters)
        return outputs

    def _apply_here(self, tokens: Array, experts: ExpertMlps) -> Array:
        groups, count, dim = tokens.shape
        nowhere, most = groups * count, groups * self._most_filled()
        with jax.named_scope("dispatch_combine/dispatch"):
            rows = self._rows().swapaxes(0, 1).reshape(-1)
            filled = rows < nowhere
            place = jnp.where(filled, jnp.cumsum(filled) - 1, most)
            row = jnp.full(most, nowhere).at[place].set(rows, mode="drop")
            by_expert = self.weight.swapaxes(0, 1).reshape(-1)
            weight = jnp.zeros(most, by_expert.dtype).at[place].set(by_expert, mode="drop")
            inputs = jnp.take(tokens.reshape(-1, dim), row, axis=0, mode="fill", fill_value=0)
        with jax.named_scope("experts"):
            outputs = experts.ragged(inputs, self._filled().sum((0, 2)))
        with jax.named_scope("dispatch_combine/combine"):
            weighted = outputs * weight.astype(outputs.dtype)[:, None]
            summed = jnp.zeros((nowhere, dim), outputs.dtype).at[row].add(weighted, mode="drop")
        return summed.reshape(tokens.shape)

    def _most_filled(self) -> int:
        """Return the slots of a group that can be filled at once."""
        _, experts, slots = self.token.shape
        return min(experts * slots, self.gates.shape[1] * self.choices) if self.choices else experts * slots
