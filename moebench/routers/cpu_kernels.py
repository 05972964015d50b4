"""Compute the routing operations that XLA by itself compiles into slow programs on CPUs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def top_k(scores: Float[Array, "*batch column"], k: int) -> tuple[Float[Array, "*batch {k}"], Int[Array, "*batch {k}"]]:
    """Return the k largest values of the last axis and their places, largest first; ties: the first place.

    XLA has a kernel for top k. If only the first or the last of the values is used, XLA sorts whole rows instead, which
    takes 15 times as long for 2 of 32 columns. The barrier hides the use. The barrier is on the values alone: around
    both results it makes XLA abort if arrays are split over devices.
    """
    values, places = jax.lax.top_k(scores, k)
    return jax.lax.optimization_barrier(values), places


@jax.custom_vjp
def weighted(rows: Float[Array, "*row dim"], weights: Float[Array, "*row"]) -> Float[Array, "*row dim"]:
    """Return each row times its weight.

    The gradient by the weights is a product of rows. Automatic differentiation makes a sum over a product of arrays of
    it, which takes XLA 10 times as long.
    """
    return rows * weights[..., None]


def _forward(rows: Array, weights: Array) -> tuple[Array, tuple[Array, Array]]:
    return weighted(rows, weights), (rows, weights)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    rows, weights = factors
    precise = jnp.promote_types(rows.dtype, jnp.float32)
    return weighted(slope, weights), jnp.vecdot(slope, rows, preferred_element_type=precise).astype(weights.dtype)


weighted.defvjp(_forward, _backward)
