"""The base of sparse routers: a linear gate, a capacity, and slots with single tokens."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from moebench.errors import unknown
from moebench.routers.capacity import OWN_RULE, ROUNDINGS, RULES, capacity
from moebench.routers.cpu_kernels import sorted_by_expert, starts, top_k
from moebench.routers.hard_routing import EinsumSlotRouting, RaggedSlotRouting, SlotRouting
from moebench.routers.matmul import product
from moebench.routers.router import Router, RoutingFlops, at_least_float32

ROUTING_BY_DISPATCH: dict[str, type[SlotRouting]] = {
    "gather": SlotRouting,
    "einsum": EinsumSlotRouting,
    "ragged": RaggedSlotRouting,
}


class SparseRouter(Router):
    """Base of the routers whose slots have single tokens, or none.

    The slots of an expert follow from the capacity options by `moebench.routers.capacity`.
    """

    evaluation_is_unlimited: ClassVar[bool] = False
    """Whether evaluation has a slot for every token unless `eval_capacity_factor` sets a limit."""

    experts: int
    """MLPs that tokens are sent to."""
    top_k: int = 1
    """Experts of each token; an average if experts choose their tokens, or if a threshold decides."""
    capacity_factor: float | None = 1.0
    """Slots of all experts over choices of all tokens; null sets no limit."""
    capacity_rounding: str = "round"
    """Rounding of an expert's slots to a whole number: round, ceil or floor."""
    capacity_multiple_of: int = 1
    """Number of which an expert's slots are a multiple, rounded up."""
    capacity_rule: str = OWN_RULE
    """Rule that gives the slots: rounding, by capacity_rounding and capacity_multiple_of; or a public system's own,
    vmoe, tutel, maxtext, megablocks, flaxformer or mesh-tf."""
    eval_top_k: int | None = None
    """top_k in evaluation; null keeps the top_k of training."""
    eval_capacity_factor: float | None = None
    """capacity_factor in evaluation; null keeps the capacity_factor of training."""
    dispatch: str = "gather"
    """Way of the tokens to their slots: gather; einsum, with one-hot matrices; or ragged, which leaves empty slots
    uncomputed and is slow on CPUs."""

    @override
    def check(self) -> None:
        self.require(self.experts >= 1, "experts", "must be at least 1")
        for option in ("top_k", "eval_top_k"):
            choices = getattr(self, option)
            in_range = choices is None or 1 <= choices <= self.experts
            self.require(in_range, option, f"must be from 1 to experts={self.experts}")
        for option in ("capacity_factor", "eval_capacity_factor"):
            factor = getattr(self, option)
            self.require(factor is None or factor > 0, option, "must be above 0")
        self.require(self.capacity_multiple_of >= 1, "capacity_multiple_of", "must be at least 1")
        for option, known in (
            ("capacity_rounding", ROUNDINGS),
            ("capacity_rule", [OWN_RULE, *RULES]),
            ("dispatch", ROUTING_BY_DISPATCH),
        ):
            if getattr(self, option) not in known:
                raise unknown(option, getattr(self, option), known, of=f"router '{self.name}'", key=option)
        roundings = ("capacity_rounding", "capacity_multiple_of")
        if self.capacity_factor is None and self.eval_capacity_factor is None:
            self.leave_out("has no effect without capacity_factor", "capacity_rule", *roundings)
        elif self.capacity_rule != OWN_RULE:
            self.leave_out(
                f"is not used by capacity_rule={self.capacity_rule}, which rounds in its own way", *roundings
            )

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        drawn = nnx.initializers.lecun_normal()(rngs.params(), (dim, self.experts), jnp.float32)
        self.kernel: nnx.Variable[Array] = nnx.Param(drawn)

    def logits(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "group token expert"]:
        """Return tokens · kernel, in at least float32."""
        precise = at_least_float32(tokens)
        kernel = self.kernel[...].astype(precise.dtype)
        return product(precise.reshape(-1, precise.shape[-1]), kernel).reshape(*tokens.shape[:2], -1)

    def choices(self, training: bool) -> int:
        """Return the experts of each token in training, or in evaluation."""
        return self.top_k if training or self.eval_top_k is None else self.eval_top_k

    def most_choices(self, training: bool) -> int:
        """Return the most experts that a token can choose; 0 if experts choose their tokens."""
        return self.choices(training)

    def capacity_factor_in(self, training: bool) -> float | None:
        """Return the capacity factor of training, or of evaluation; None sets no limit."""
        if training:
            return self.capacity_factor
        if self.eval_capacity_factor is None and not self.evaluation_is_unlimited:
            return self.capacity_factor
        return self.eval_capacity_factor

    @property
    def capacity_experts(self) -> int | float:
        """Experts that share the choices of all tokens."""
        return self.experts

    def slots(self, group_tokens: int, training: bool) -> int:
        """Return the slots of each expert for a group of tokens.

        Raises:
            BadInput: options that do not fit that many tokens.
        """
        return capacity(
            group_tokens,
            self.choices(training),
            self.capacity_experts,
            self.capacity_factor_in(training),
            rule=self.capacity_rule,
            rounding=self.capacity_rounding,
            multiple_of=self.capacity_multiple_of,
        )

    def route_choices(
        self,
        gates: Float[Array, "group token expert"],
        expert: Int[Array, "group token choice"],
        order: Int[Array, "group token"],
        *,
        weights: Float[Array, "group token expert"],
        slots: int,
        losses: dict[str, Float[Array, ""]] | None = None,
    ) -> SlotRouting:
        """Return the routing of tokens that choose experts, who take slots as in `assign_slots`.

        Args:
            gates: weights of each token over the experts, without noise.
            expert: experts that each token chose, best first; numbers beyond the last expert choose none.
            order: token numbers; the first one takes its slots first.
            weights: combine weight of each token and expert.
            slots: slots of each expert.
            losses: auxiliary losses by name, averaged over groups.
        """
        experts = weights.shape[-1]
        return self.routing_from_slots(
            gates,
            assign_slots(expert, order, experts, slots),
            weights=weights,
            requested_load=jnp.zeros(experts).at[expert.reshape(-1)].add(1, mode="drop"),
            choices=expert.shape[-1],
            losses=losses,
            requested=expert,
            order=order,
        )

    def route_mask(
        self,
        gates: Float[Array, "group token expert"],
        taken: Bool[Array, "group token expert"],
        scores: Float[Array, "group token expert"],
        *,
        weights: Float[Array, "group token expert"],
        training: bool,
        losses: dict[str, Float[Array, ""]] | None = None,
    ) -> SlotRouting:
        """Return the routing of tokens that take any number of experts.

        If slots run out, the highest scores come first.

        Args:
            gates: weights of each token over the experts, without noise.
            taken: whether a token takes an expert.
            scores: order in which an expert's tokens take its slots, largest first.
            weights: combine weight of each token and expert.
            training: whether the slots are those of training or of evaluation.
            losses: auxiliary losses by name, averaged over groups.
        """
        tokens, experts = taken.shape[1:]
        ranked = jnp.where(taken, jax.lax.stop_gradient(scores), -jnp.inf).swapaxes(1, 2)
        score, token = top_k(ranked, min(tokens, self.slots(tokens, training)))
        return self.routing_from_slots(
            gates,
            jnp.where(score > -jnp.inf, token, tokens),
            weights=weights,
            requested_load=taken.sum((0, 1)).astype(jnp.float32),
            choices=experts,
            losses=losses,
            requested=taken,
        )

    def routing_from_slots(
        self,
        gates: Float[Array, "group token expert"],
        token: Int[Array, "group expert slot"],
        *,
        weights: Float[Array, "group token expert"],
        requested_load: Float[Array, "expert"],
        choices: int,
        losses: dict[str, Float[Array, ""]] | None = None,
        requested: Int[Array, "group token choice"] | Bool[Array, "group token expert"] | None = None,
        order: Int[Array, "group token"] | None = None,
    ) -> SlotRouting:
        """Return the routing with given tokens in the slots.

        Args:
            gates: weights of each token over the experts, without noise.
            token: number of the token in each slot; the number of tokens marks an empty slot.
            weights: combine weight of each token and expert.
            requested_load: tokens that chose each expert, summed over groups, before capacity.
            choices: most experts that a token can choose; 0 if experts choose their tokens.
            losses: auxiliary losses by name, averaged over groups.
            requested: experts that each token chose, or whether it chose each expert; None if experts choose tokens.
            order: order in which the tokens took slots; None if no queue gave the slots.
        """
        tokens = gates.shape[1]
        by_expert = weights.swapaxes(1, 2)
        weight = jnp.take_along_axis(by_expert, jnp.minimum(token, tokens - 1), axis=-1)
        return ROUTING_BY_DISPATCH[self.dispatch](
            gates=gates,
            token=token,
            weight=weight,
            requested_load=requested_load,
            choices=choices,
            losses=losses or {},
            requested=requested,
            order=order,
        )

    def experts_per_token(self, group_tokens: int, total_slots: int) -> float:
        """Return the top_k of training, or the slots for each token.

        The slots count if experts choose their tokens.
        """
        if self.most_choices(training=True):
            return min(self.top_k, self.experts)
        return super().experts_per_token(group_tokens, total_slots)

    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        """Return the FLOPs of routing one group.

        Ragged experts compute at most the rows that can be filled.
        """
        slots = self.experts * self.slots(group_tokens, training)
        choices = self.most_choices(training)
        rows = min(slots, group_tokens * choices) if self.dispatch == "ragged" and choices else slots
        logits = 2 * group_tokens * dim * self.experts
        if self.dispatch == "einsum":
            # One-hot weights touch every pair of token and slot, both ways. The weights of the dispatch are constants,
            # so that of its two backward products one is not needed.
            return RoutingFlops(logits, dispatch_combine=2 * 2 * group_tokens * slots * dim, backward=1.5)
        return RoutingFlops(logits, dispatch_combine=2 * rows * dim, expert_rows=rows)  # weighted and summed


def softmax(logits: Float[Array, "group token expert"]) -> Float[Array, "group token expert"]:
    """Return the gates over the experts."""
    return jax.nn.softmax(logits, axis=-1)


def array_order(chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
    """Return the order of the tokens in the array."""
    return jnp.broadcast_to(jnp.arange(chosen.shape[1]), chosen.shape[:2])


def assign_slots(
    expert: Int[Array, "group token choice"], order: Int[Array, "group token"], experts: int, slots: int
) -> Int[Array, "group {experts} {slots}"]:
    """Return the token in each slot: all first choices take slots before any second choice.

    Args:
        expert: experts that each token chose, best first; numbers beyond the last expert choose none.
        order: token numbers; the first one takes its slots first.
        experts: number of experts.
        slots: slots of each expert.

    Returns:
        Token numbers; the number of tokens marks an empty slot. Choices of a full expert are dropped.
    """
    groups, tokens, choices = expert.shape
    queue = jnp.take_along_axis(expert, order[..., None], axis=1).swapaxes(1, 2).reshape(groups, choices * tokens)
    # Among the tokens that chose one expert the queue keeps its order.
    sorted_expert, place_in_queue = sorted_by_expert(queue, experts)
    wanted = starts(sorted_expert, experts)
    place = wanted[:, :-1, None] + jnp.arange(slots)
    filled = place < wanted[:, 1:, None]
    taken = jnp.take_along_axis(place_in_queue, place.reshape(groups, -1), axis=-1, mode="clip")
    token = jnp.take_along_axis(order, taken % tokens, axis=-1).reshape(groups, experts, slots)
    return jnp.where(filled, token, tokens)
