"""Balance the load without a loss, by a bias for each expert.

The biases decide which experts are chosen, never their weights.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.router import RouterState
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order


class BiasedRouter(SparseRouter):
    """Base of the routers that choose the top k of sigmoid(x·kernel) + bias.

    Each expert has a bias. The weights are the unbiased scores over their sum; a single choice weighs its score. The
    biases are updated after each training step, from all groups together and before capacity. No token is dropped by
    default, as in the papers, so that the ragged dispatch computes S·k rows; `capacity_factor` sets a limit.
    """

    capacity_factor = None
    dispatch = "ragged"

    @override
    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        super().setup(dim, rngs)
        self.bias = RouterState(jnp.zeros(self.experts))

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        training = noise_key is not None
        scores = jax.nn.sigmoid(self.logits(tokens))
        fixed = jax.lax.stop_gradient(scores)
        expert = top_k(fixed + self.bias[...], self.choices(training))[1]
        chosen = jnp.take_along_axis(scores, expert, axis=-1)
        if training:
            self.bias[...] = self.balanced(fixed, expert).astype(self.bias[...].dtype)
        return self.route_choices(
            scores,
            expert,
            array_order(scores),
            weights=scores / chosen.sum(-1, keepdims=True) if chosen.shape[-1] > 1 else scores,
            slots=self.slots(tokens.shape[1], training),
        )

    def balanced(
        self, scores: Float[Array, "group token expert"], expert: Int[Array, "group token choice"]
    ) -> Float[Array, "expert"]:
        """Return the biases of the next step from this step's scores and choices."""
        raise NotImplementedError


@register("loss-free")
class LossFree(BiasedRouter):
    """Loss-free balancing: top k of sigmoid(x·kernel) + bias; the biases of busy experts fall (2408.15664).

    bias += update_rate · sign(mean load − load). Weights are normalised over the k as in DeepSeek-V3 (2412.19437);
    eq. 3 of 2408.15664 leaves them as they are.
    """

    training_only_options = ("update_rate",)

    update_rate: float = 1e-3
    """Step of a bias after each training step."""

    @override
    def check(self) -> None:
        super().check()
        self.require(self.update_rate > 0, "update_rate", "must be above 0")

    @override
    def balanced(
        self, scores: Float[Array, "group token expert"], expert: Int[Array, "group token choice"]
    ) -> Float[Array, "expert"]:
        load = jnp.zeros(self.experts).at[expert.reshape(-1)].add(1)
        return self.bias[...] + self.update_rate * jnp.sign(load.mean() - load)


@register("quantile")
class Quantile(BiasedRouter):
    """Quantile balancing: loss-free, by biases that balance the batch at once (2607.24653).

    b_e = −quantile over the tokens, at 1 − k/E, of (score_e − the token's cut-off), the cut-off being the token's
    largest biased score that it did not choose; bias = b − mean(b). There is no step size. Without the centring the
    cut-offs, which contain the bias, would let all biases drift together.
    """

    @override
    def balanced(
        self, scores: Float[Array, "group token expert"], expert: Int[Array, "group token choice"]
    ) -> Float[Array, "expert"]:
        first_not_chosen = min(self.top_k, self.experts - 1)
        cut_off = top_k(scores + self.bias[...], first_not_chosen + 1)[0][..., -1:]
        bias = -jnp.quantile((scores - cut_off).reshape(-1, self.experts), 1 - self.top_k / self.experts, axis=0)
        return bias - bias.mean()
