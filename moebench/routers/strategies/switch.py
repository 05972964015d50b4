"""Route by Switch (2101.03961) and GShard (2006.16668).

Both are Tokens Choice without noise, with the loss E · Σ f · P.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.routers.registry import register
from moebench.routers.strategies.tokens_choice import TokensChoice


@register("switch")
class Switch(TokensChoice):
    """Switch: each token goes to its one best expert (2101.03961).

    The balance loss is E · Σ f · P, of weight 0.01.

    gates = softmax(x·kernel), the weight is the gate, the loss that of eq. 4, which is 1 at balance. C = 1 in training
    and 2 in evaluation, as in the public code. The paper's jitter of the router's inputs in training is left out.
    """

    eval_capacity_factor: float | None = 2.0
    noise_std = 0.0
    importance_weight = 0.0
    load_weight = 0.0
    gshard_weight = 0.01


@register("gshard")
class GShard(Switch):
    """GShard: two experts for each token, whose gates are renormalised (2006.16668).

    A weak second choice is left out.

    g₁, g₂ = the two largest of softmax(x·kernel) over their sum. In training the second choice requests a slot with
    probability min(1, 2·g₂) only (algorithm 1); in evaluation always. C = 1, the paper's 2S/E slots. The paper's
    balance loss, the mean over the experts of f · P, is Switch's over E². Jitter of the router's inputs is left out.
    """

    top_k = 2
    eval_capacity_factor = None
    renormalise = True

    def requested(
        self,
        expert: Int[Array, "group token choice"],
        weights: Float[Array, "group token expert"],
        noise_key: PRNGKeyArray | None,
    ) -> Int[Array, "group token choice"]:
        """Return all first choices, and the second choices that request a slot.

        In training, second choices are drawn in proportion to their weight; in evaluation, all of them request a slot.
        """
        if noise_key is None:
            return expert
        weight = jnp.take_along_axis(weights, expert, axis=-1)
        drawn = jax.random.uniform(jax.random.fold_in(noise_key, 1), expert.shape) < 2 * weight
        return jnp.where(drawn.at[..., 0].set(True), expert, self.experts)
