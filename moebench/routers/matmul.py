"""Multiply rows by the kernels of experts.

The gradients are fast on CPUs and light on accelerators.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def by_expert(
    rows: Float[Array, "expert row in"], kernels: Float[Array, "expert in out"]
) -> Float[Array, "expert row out"]:
    """Return each expert's rows times its kernel, in the number format of the rows.

    Kernels of a wider format are cast here and cast again in the backward pass, so that no cast copy of all experts'
    kernels waits in memory for the backward pass.

    Args:
        rows: float[experts, rows, in].
        kernels: float[experts, in, out].
    """
    return rows @ kernels.astype(rows.dtype)


def product(rows: Float[Array, "row in"], kernel: Float[Array, "in out"]) -> Float[Array, "row out"]:
    """Return rows times one kernel, with the gradients of `by_expert`."""
    return by_expert(rows[None], kernel[None])[0]


def _forward(rows: Array, kernels: Array) -> tuple[Array, tuple[Array, Array]]:
    return by_expert(rows, kernels), (rows, kernels)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    rows, kernels = factors
    if kernels.dtype != rows.dtype:
        # Without the barrier XLA would find the cast of the forward pass again, and keep its result until here.
        kernels = jax.lax.optimization_barrier(kernels)
    return _by_rows(slope, kernels.astype(slope.dtype)), _by_kernels(rows, slope).astype(kernels.dtype)


def _by_rows(
    slope: Float[Array, "expert row out"], kernels: Float[Array, "expert in out"]
) -> Float[Array, "expert row in"]:
    """Return the gradient by the rows: a product with the transposed kernels.

    On CPUs XLA transposes the kernels while reading them, which for few rows takes nearly as long as the product. With
    48 rows of width 384, transposing the slopes and the result instead takes a quarter less time, because both are
    small; with as many rows as the width it takes longer.
    """
    _, inner, outer = kernels.shape
    if outer > inner > slope.shape[1]:
        by_rows: Array = jax.lax.platform_dependent(slope, kernels, cpu=_by_rows_turned, default=_by_rows_plain)
        return by_rows
    return _by_rows_plain(slope, kernels)


def _by_rows_plain(slope: Array, kernels: Array) -> Array:
    return jnp.einsum("ero,eio->eri", slope, kernels)


def _by_rows_turned(slope: Array, kernels: Array) -> Array:
    # Without the barrier XLA would fuse the last transposition into the product, and transpose the kernels again.
    turned: Array = jax.lax.optimization_barrier(jnp.einsum("eio,ero->eir", kernels, slope))
    return turned.swapaxes(1, 2)


def _by_kernels(
    rows: Float[Array, "expert row in"], slope: Float[Array, "expert row out"]
) -> Float[Array, "expert in out"]:
    """Return the gradient by the kernels: a product of the transposed rows with the slopes.

    XLA on CPUs transposes the rows. If the rows are wider than the slopes, transposing the slopes and the result
    instead halves the time, unless the rows are so few that the result is the largest of the three arrays.
    """
    _, count, inner = rows.shape
    if inner > slope.shape[2] and count >= slope.shape[2]:
        by_kernels: Array = jax.lax.platform_dependent(rows, slope, cpu=_by_kernels_turned, default=_by_kernels_plain)
        return by_kernels
    return _by_kernels_plain(rows, slope)


def _by_kernels_plain(rows: Array, slope: Array) -> Array:
    return jnp.einsum("eri,ero->eio", rows, slope)


def _by_kernels_turned(rows: Array, slope: Array) -> Array:
    turned: Array = jax.lax.optimization_barrier(jnp.einsum("ero,eri->eoi", slope, rows))
    return turned.swapaxes(1, 2)


by_expert.defvjp(_forward, _backward)
