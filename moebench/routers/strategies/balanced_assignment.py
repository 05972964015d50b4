"""Route by Sinkhorn (2202.01169) and BASE layers (2103.16716): assignment in training, choice in evaluation."""

import jax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.errors import BadInput
from moebench.routers.assignment import auction, sinkhorn
from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order, softmax


class AssignedRouter(SparseRouter):
    """Base of the routers that assign equally many tokens to each expert in training.

    In evaluation each token takes its best experts, and has a slot at each unless `eval_capacity_factor` sets a limit:
    the authors drop no token. The weight of a choice is not the assignment's, but sigmoid of the logit for one choice,
    and softmax of the logits for several: so the router learns although the assignment has no gradient.
    """

    evaluation_is_unlimited = True

    eval_capacity_factor: float | None = None
    """capacity_factor in evaluation; null sets no limit."""

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        logits, choices = self.logits(tokens), self.choices(training)
        slots = self.slots(tokens.shape[1], training)
        scores = jax.lax.stop_gradient(logits)
        gates = softmax(logits)
        return self.route_choices(
            gates,
            self.assigned(scores, slots) if training else top_k(scores, choices)[1],
            array_order(gates),
            weights=jax.nn.sigmoid(logits) if choices == 1 else gates,
            slots=slots,
        )

    def assigned(self, scores: Float[Array, "group token expert"], slots: int) -> Int[Array, "group token choice"]:
        """Return the experts of each token in training, best first."""
        raise NotImplementedError


@register("sinkhorn")
class Sinkhorn(AssignedRouter):
    """Sinkhorn routing (S-BASE): tokens take the top k of a balanced plan (2202.01169).

    The plan is made of the logits, in training only.

    plan = Sinkhorn(exp(x·kernel)), rows adding up to 1 and columns to S / E. The plan is balanced, its top k nearly so:
    choices over the capacity are dropped in training. No auxiliary loss.
    """

    @override
    def assigned(self, scores: Float[Array, "group token expert"], slots: int) -> Int[Array, "group token choice"]:
        return top_k(sinkhorn(scores), self.top_k)[1]


@register("base")
class BaseLayer(AssignedRouter):
    """BASE: in training, a balanced linear assignment of experts to tokens (2103.16716).

    Each token has one expert, and all experts have equally many tokens.

    a = argmax Σ_t x_t·kernel_{a(t)} with no more than ceil(S·C/E) tokens for an expert, by an auction: for each token
    its total is less than the optimum by `tolerance` · (largest − smallest score) at most. No token is dropped in
    training.
    """

    capacity_rounding = "ceil"
    tolerance: float = 0.02
    """Largest shortfall of the auction's total from the optimum, for each token, as a share of the scores' range."""

    @override
    def check(self) -> None:
        super().check()
        self.require(self.top_k == 1, "top_k", "must be 1: tokens get one expert each")
        self.leave_out("has no effect: tokens get one expert in evaluation as well", "eval_top_k")
        self.require(self.tolerance > 0, "tolerance", "must be above 0")

    @override
    def slots(self, group_tokens: int, training: bool) -> int:
        slots = min(group_tokens, super().slots(group_tokens, training))
        if training and slots * self.experts < group_tokens:
            raise BadInput(
                f"router '{self.name}': experts={self.experts} with {slots} slots each cannot take all of the "
                f"{group_tokens} tokens of a group: raise capacity_factor={self.capacity_factor}.",
                key="capacity_factor",
            )
        return slots

    @override
    def assigned(self, scores: Float[Array, "group token expert"], slots: int) -> Int[Array, "group token choice"]:
        return auction(scores, slots, self.tolerance)[..., None]
