"""Multiply each expert's rows by its kernel, with a gradient that is fast on CPUs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def by_expert(
    rows: Float[Array, "expert row in"], kernels: Float[Array, "expert in out"]
) -> Float[Array, "expert row out"]:
    """Return each expert's rows times its kernel.

    The gradient by the rows is a product with the transposed kernels. On CPUs XLA transposes the kernels while reading
    them, which for few rows takes nearly as long as the product. Transposing the slopes and the result instead, which
    are small, takes a quarter less time for 48 rows, and as long for 100.

    Args:
        rows: float[experts, rows, in].
        kernels: float[experts, in, out].
    """
    return rows @ kernels


def _forward(rows: Array, kernels: Array) -> tuple[Array, tuple[Array, Array]]:
    return rows @ kernels, (rows, kernels)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    rows, kernels = factors
    by_kernels = jnp.einsum("eri,ero->eio", rows, slope)
    if jax.default_backend() != "cpu":
        return jnp.einsum("ero,eio->eri", slope, kernels), by_kernels
    # Without the barrier XLA would fuse the last transposition into the product, and transpose the kernels again.
    turned = jax.lax.optimization_barrier(jnp.einsum("eio,ero->eir", kernels, slope))
    return turned.swapaxes(1, 2), by_kernels


by_expert.defvjp(_forward, _backward)
