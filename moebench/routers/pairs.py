"""List the experts of every token, for inspection.

No training or evaluation program computes the list.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class TokenExperts:
    """The experts that each token chose, or that chose the token, first choice first.

    If a token has fewer experts than others, `expert` is at least the number of the routing's gates in the remaining
    places, and the values of the other arrays in these places have no meaning.
    """

    expert: Int[Array, "group token choice"]
    gate: Float[Array, "group token choice"]
    """Gate of the token at the expert, before capacity."""
    weight: Float[Array, "group token choice"]
    """Weight of the expert's output in the token's output; 0 if the choice is dropped."""
    dropped: Bool[Array, "group token choice"]
    order: Int[Array, "group token"] | None = None
    """Token numbers in the order in which the tokens of a group take slots; None without an order."""


def at_experts(
    values: Float[Array, "group token expert"], expert: Int[Array, "group token choice"]
) -> Float[Array, "group token choice"]:
    """Return the values of each token at its experts."""
    return jnp.take_along_axis(values, jnp.minimum(expert, values.shape[-1] - 1), axis=-1)


def ranked(
    taken: Bool[Array, "group token expert"], scores: Float[Array, "group token expert"]
) -> Int[Array, "group token expert"]:
    """Return the experts that each token takes, highest score first.

    The places left contain the number of experts.
    """
    experts = taken.shape[-1]
    order = jnp.argsort(jnp.where(taken, -scores, jnp.inf), axis=-1, stable=True)
    return jnp.where(jnp.take_along_axis(taken, order, axis=-1), order, experts)
