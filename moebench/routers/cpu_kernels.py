"""The few operations of routing that XLA, left alone, compiles into something slow on CPUs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def top_k(scores: Float[Array, "*batch column"], k: int) -> tuple[Float[Array, "*batch {k}"], Int[Array, "*batch {k}"]]:
    """The k largest of the last axis and their places, largest first; among equals the first place.

    XLA has a kernel for that, but where it sees that only the first or the last of the values is used it sorts whole
    rows, which takes 15 times as long for 2 of 32. The barrier hides the use. It stands on the values alone: around
    both results it makes XLA abort where arrays are split over devices.
    """
    values, places = jax.lax.top_k(scores, k)
    return jax.lax.optimization_barrier(values), places


@jax.custom_vjp
def weighted(rows: Float[Array, "*row dim"], weights: Float[Array, "*row"]) -> Float[Array, "*row dim"]:
    """Each row times its weight.

    Its gradient by the weights is a product of rows: as the sum over a product of arrays, which is what differentiation
    makes of it, XLA takes 10 times as long.
    """
    return rows * weights[..., None]


def _forward(rows: Array, weights: Array) -> tuple[Array, tuple[Array, Array]]:
    return weighted(rows, weights), (rows, weights)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    rows, weights = factors
    precise = jnp.promote_types(rows.dtype, jnp.float32)
    return weighted(slope, weights), jnp.vecdot(slope, rows, preferred_element_type=precise).astype(weights.dtype)


weighted.defvjp(_forward, _backward)
