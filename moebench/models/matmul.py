"""The product that MoE layers spend their time on, with a gradient that suits processors."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def by_expert(
    rows: Float[Array, "expert row in"], kernels: Float[Array, "expert in out"]
) -> Float[Array, "expert row out"]:
    """Each expert's rows times its kernel.

    The gradient by the rows is a product with the kernels the other way round. On processors XLA turns them over while
    it reads them, which for few rows takes nearly as long as the product. Turning the slopes and the result over
    instead, which are small, takes a quarter less time for 48 rows, and no less for 100.
    """
    return rows @ kernels


def _forward(rows: Array, kernels: Array) -> tuple[Array, tuple[Array, Array]]:
    return rows @ kernels, (rows, kernels)


def _backward(factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    rows, kernels = factors
    by_kernels = jnp.einsum("eri,ero->eio", rows, slope)
    if jax.default_backend() != "cpu":
        return jnp.einsum("ero,eio->eri", slope, kernels), by_kernels
    # Without the barrier XLA would take the last transposition into the product, and that is where it came from.
    turned = jax.lax.optimization_barrier(jnp.einsum("eio,ero->eir", kernels, slope))
    return turned.swapaxes(1, 2), by_kernels


by_expert.defvjp(_forward, _backward)
