"""Routing operations that XLA's default compiles into slow programs on CPUs."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_REDUCED_COLUMNS = 16
"""Most columns whose largest value XLA finds faster by a reduction: with 32 the place takes twice the kernel's time."""


def top_k(scores: Float[Array, "*batch column"], k: int) -> tuple[Float[Array, "*batch {k}"], Int[Array, "*batch {k}"]]:
    """Return the k largest values of the last axis and their places, largest first.

    Of equal values, the first place comes first.

    XLA has a kernel for top k. If only the first or the last of the values is used, XLA sorts whole rows instead, which
    takes 15 times as long for 2 of 32 columns. The barrier hides the use. A single largest value of few columns is
    found by reductions, in half of the kernel's time. If arrays are split over devices, rows are sorted where they are:
    for its kernel XLA would gather the rows of all devices on each.
    """
    if k == 1 and scores.shape[-1] <= _REDUCED_COLUMNS:
        # No comparison with the maximum, nor its gradient, which compares: XLA may compute the scores twice, with other
        # rounding, and then none equals the maximum.
        places = scores.argmax(-1, keepdims=True)
        return jnp.where(jnp.arange(scores.shape[-1]) == places, scores, 0).sum(-1, keepdims=True), places
    if is_split():
        places = jnp.argsort(scores, axis=-1, descending=True, stable=True)[..., :k]
        return jnp.take_along_axis(scores, places, axis=-1), places
    values, places = jax.lax.top_k(scores, k)
    return jax.lax.optimization_barrier(values), places


def is_split() -> bool:
    """Return whether arrays are split over a mesh in the context of the trace."""
    return not jax.sharding.get_abstract_mesh().empty


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


def sorted_by_expert(
    expert: Int[Array, "group choice"], experts: int
) -> tuple[Int[Array, "group choice"], Int[Array, "group choice"]]:
    """Return the choices of each group by expert, and the choices' places.

    Of choices of one expert, the first place comes first.

    Expert and place are sorted as one number if 32 bits hold both, which takes XLA on CPUs an eighth of the time of
    sorting two arrays by the first.

    Args:
        expert: experts by choice; numbers beyond the last expert choose none, and come last.
        experts: number of experts.
    """
    choices = expert.shape[-1]
    if (experts + 1) * choices >= 2**31:
        places = jnp.broadcast_to(jnp.arange(choices), expert.shape)
        by_expert, order = jax.lax.sort_key_val(expert, places, is_stable=True)
        return by_expert, order
    numbers = jax.lax.sort(jnp.minimum(expert, experts) * choices + jnp.arange(choices), is_stable=False)
    return numbers // choices, numbers % choices


def starts(by_expert: Int[Array, "group choice"], experts: int) -> Int[Array, "group {experts}+1"]:
    """Return for each expert the number of choices before the expert's first.

    One further number is for an expert beyond the last.

    CPUs search for each expert's first choice. Accelerators would launch one kernel for each halving of the search, and
    count by comparing all pairs instead.

    Args:
        by_expert: experts by choice, in rising order.
        experts: number of experts.
    """
    found: Array = jax.lax.platform_dependent(
        by_expert, cpu=partial(_starts_searched, experts=experts), default=partial(_starts_counted, experts=experts)
    )
    return found


def _starts_searched(by_expert: Array, experts: int) -> Array:
    return jax.vmap(lambda choices: jnp.searchsorted(choices, jnp.arange(experts + 1)).astype(jnp.int32))(by_expert)


def _starts_counted(by_expert: Array, experts: int) -> Array:
    return (by_expert[..., None] < jnp.arange(experts + 1)).sum(-2, dtype=jnp.int32)
