"""What all sparse routers share: a linear gate, a capacity, and the way tokens travel."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from moebench.errors import unknown
from moebench.routers.capacity import OWN_RULE, ROUNDINGS, RULES, capacity
from moebench.routers.hard_routing import EinsumSlotRouting, RaggedSlotRouting, SlotRouting
from moebench.routers.router import Router, RoutingFlops, at_least_float32

ROUTING_BY_DISPATCH: dict[str, type[SlotRouting]] = {
    "gather": SlotRouting,
    "einsum": EinsumSlotRouting,
    "ragged": RaggedSlotRouting,
}


class SparseRouter(Router):
    """Base of the routers whose slots hold single tokens; how many slots, `moebench.routers.capacity` says."""

    experts: int
    """MLPs that tokens are sent to."""
    top_k: int = 1
    """Experts of each token; where experts choose their tokens, or a threshold does, on average."""
    capacity_factor: float | None = 1.0
    """Slots of all experts over choices of all tokens; null sets no limit."""
    capacity_rounding: str = "round"
    """How the slots of an expert become a whole number: round, ceil or floor."""
    capacity_multiple_of: int = 1
    """What the slots of an expert are then rounded up to a multiple of."""
    capacity_rule: str = OWN_RULE
    """How slots are counted: rounding, by the two options above; or as a public system does, vmoe, tutel, maxtext,
    megablocks, flaxformer or mesh-tf."""
    eval_top_k: int | None = None
    """top_k in evaluation; null keeps that of training."""
    eval_capacity_factor: float | None = None
    """capacity_factor in evaluation; null keeps that of training."""
    dispatch: str = "gather"
    """How tokens reach their slots: gather; einsum, with one-hot matrices; or ragged, which leaves empty slots
    uncomputed and is slow on CPUs."""

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
        if self.capacity_rule != OWN_RULE:
            unused = f"is not used by capacity_rule={self.capacity_rule}, which rounds in its own way: leave it out"
            self.require(self.capacity_rounding == "round", "capacity_rounding", unused)
            self.require(self.capacity_multiple_of == 1, "capacity_multiple_of", unused)

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (dim, self.experts), jnp.float32))

    def logits(self, tokens: Float[Array, "group token dim"]) -> Float[Array, "group token expert"]:
        """tokens · kernel, in at least float32."""
        precise = at_least_float32(tokens)
        return precise @ self.kernel[...].astype(precise.dtype)

    def choices(self, training: bool) -> int:
        """Experts of each token."""
        return self.top_k if training or self.eval_top_k is None else self.eval_top_k

    @property
    def capacity_experts(self) -> int | float:
        """Experts among which the choices of all tokens are shared out."""
        return self.experts

    def slots(self, group_tokens: int, training: bool) -> int:
        """Slots of each expert for a group of so many tokens."""
        evaluated = not training and self.eval_capacity_factor is not None
        return capacity(
            group_tokens,
            self.choices(training),
            self.capacity_experts,
            self.eval_capacity_factor if evaluated else self.capacity_factor,
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
        """Let tokens take slots at the experts they chose, as `assign_slots` says."""
        experts = weights.shape[-1]
        return self.routing_from_slots(
            gates,
            assign_slots(expert, order, experts, slots),
            weights=weights,
            requested_load=jnp.zeros(experts).at[expert.reshape(-1)].add(1, mode="drop"),
            choices=expert.shape[-1],
            losses=losses,
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
        """Give every expert the tokens that take it, of highest score first, as many as it has slots for."""
        tokens, experts = taken.shape[1:]
        ranked = jnp.where(taken, jax.lax.stop_gradient(scores), -jnp.inf).swapaxes(1, 2)
        score, token = jax.lax.top_k(ranked, min(tokens, self.slots(tokens, training)))
        return self.routing_from_slots(
            gates,
            jnp.where(score > -jnp.inf, token, tokens),
            weights=weights,
            requested_load=taken.sum((0, 1)).astype(jnp.float32),
            choices=experts,
            losses=losses,
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
    ) -> SlotRouting:
        """The routing with those tokens in the slots; a slot weighs what its token's `weights` give its expert."""
        tokens = gates.shape[1]
        by_expert = weights.swapaxes(1, 2)
        weight = jnp.take_along_axis(by_expert, jnp.minimum(token, tokens - 1), axis=-1)
        return ROUTING_BY_DISPATCH[self.dispatch](
            gates=gates, token=token, weight=weight, requested_load=requested_load, choices=choices, losses=losses or {}
        )

    def flops(self, group_tokens: int, dim: int) -> RoutingFlops:
        """The training step's routing; `expert_rows` of the ragged dispatch are those that can be filled at most."""
        slots = self.experts * self.slots(group_tokens, training=True)
        rows = min(slots, group_tokens * self.top_k) if self.dispatch == "ragged" else slots
        logits = 2 * group_tokens * dim * self.experts
        if self.dispatch == "einsum":
            # One-hot weights touch every pair of token and slot, both ways. Those of the dispatch are constants, so
            # that of its two backward products one is not needed.
            return RoutingFlops(logits, dispatch_combine=2 * 2 * group_tokens * slots * dim, backward=1.5)
        return RoutingFlops(logits, dispatch_combine=2 * rows * dim, expert_rows=rows)  # weighted and summed


def softmax(logits: Float[Array, "group token expert"]) -> Float[Array, "group token expert"]:
    """Gates over the experts."""
    return jax.nn.softmax(logits, axis=-1)


def array_order(chosen: Float[Array, "group token choice"]) -> Int[Array, "group token"]:
    """Tokens as they stand in the array."""
    return jnp.broadcast_to(jnp.arange(chosen.shape[1]), chosen.shape[:2])


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
