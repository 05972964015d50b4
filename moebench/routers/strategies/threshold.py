"""Route by score thresholds that are tracked from batch to batch.

A token takes any number of experts.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.routers import losses
from moebench.routers.registry import register
from moebench.routers.router import RouterState
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, softmax


class TrackingRouter(SparseRouter):
    """Base of the routers that compare scores with a threshold tracked in training.

    A threshold is the exponential moving average, with `decay`, of each batch's own threshold; the first batches count
    equally. Before the first training step each batch's own threshold is used. There is a slot for every token unless
    `capacity_factor` sets a limit, under which an expert takes its highest scores.
    """

    training_only_options = ("top_k", "decay")

    capacity_factor = None
    decay: float = 0.99
    """Weight of earlier batches in the moving average; the current batch has the rest of 1."""

    @override
    def check(self) -> None:
        super().check()
        self.leave_out("has no effect: the tracked threshold decides how many experts a token takes", "eval_top_k")
        self.require(0 <= self.decay < 1, "decay", "must be from 0 to below 1")

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        super().setup(dim, rngs)
        self.threshold = RouterState(jnp.zeros(self.thresholds()))
        self.batches = RouterState(jnp.zeros(()))

    def thresholds(self) -> tuple[int, ...]:
        """Return the shape of the thresholds: one for each expert."""
        return (self.experts,)

    @override
    def most_choices(self, training: bool) -> int:
        return self.experts

    @override
    def slots(self, group_tokens: int, training: bool) -> int:
        return min(group_tokens, super().slots(group_tokens, training))

    def tracked(self, cut: Float[Array, "*threshold"], training: bool) -> Float[Array, "*threshold"]:
        """Return the threshold of the batches so far.

        In training, update the threshold by this batch's own threshold `cut`.
        """
        threshold, batches = self.threshold[...], self.batches[...]
        before = jnp.where(batches == 0, cut, threshold.astype(cut.dtype))
        if training:
            share = jnp.maximum(1 - self.decay, 1 / (batches + 1))
            self.threshold[...] = (before + share * (cut - before)).astype(threshold.dtype)
            self.batches[...] = batches + 1
        return before


@register("threshold")
class Threshold(TrackingRouter):
    """Expert threshold: a token takes every expert whose threshold its score passes (2603.11535).

    A token takes k experts on average.

    scores = sigmoid(x·kernel), which are the weights too. An expert's threshold tracks the score that a share k/E of
    all tokens of a batch reaches at that expert, so that a token's experts do not depend on the tokens beside it (see
    also 2608.30567). No auxiliary loss. The paper's shared expert, its warm-up with Experts Choice and its capacity
    band are left out.
    """

    permutation_equivariant = True

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        scores = jax.nn.sigmoid(self.logits(tokens))
        flat = jax.lax.stop_gradient(scores).reshape(-1, self.experts)
        passing = math.ceil(flat.shape[0] * self.top_k / self.experts)
        cut = jax.lax.top_k(flat.T, passing)[0][:, -1]
        taken = scores >= self.tracked(cut, training)
        return self.route_mask(scores, taken, scores, weights=scores, training=training)


@register("expert-race")
class ExpertRace(TrackingRouter):
    """Expert race: the batch's K best (token, expert) pairs are taken (2503.16057).

    K = tokens · k.

    scores = x·kernel, which are the weights too (the paper's identity gating). In training the pairs of all groups race
    against each other; in evaluation a pair is taken whose score passes the tracked K-th largest. Loss: the
    similarity of the router's gates at experts that are chosen together (section 5), of weight 1e-4. The paper's
    per-layer regularisation is left out.
    """

    permutation_equivariant = True

    similarity_weight: float = 1e-4
    """Weight of the similarity loss in training."""

    @property
    @override
    def loss_weights(self) -> dict[str, float]:
        return {"similarity": self.similarity_weight}

    @override
    def thresholds(self) -> tuple[int, ...]:
        return ()

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        scores = self.logits(tokens)
        flat = jax.lax.stop_gradient(scores).reshape(-1)
        best, winner = jax.lax.top_k(flat, tokens.shape[0] * tokens.shape[1] * self.top_k)
        threshold = self.tracked(best[-1], training)
        won = jnp.zeros(flat.shape, bool).at[winner].set(True).reshape(scores.shape)
        taken = won if training else scores >= threshold
        gates = softmax(scores)
        similarity = losses.similarity_loss(gates, taken)
        return self.route_mask(
            gates, taken, scores, weights=scores, training=training, losses={"similarity": similarity}
        )
