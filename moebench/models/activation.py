"""Define the activation of all MLPs: GELU in its tanh form.

The backward pass recomputes the tanh.
"""

import jax
from jaxtyping import Array, Float


@jax.custom_vjp
def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the GELU of each element, in its tanh form (1606.08415).

    The backward pass starts from `x` alone. Automatic differentiation stores two further arrays of the shape of `x`,
    the outputs of the widest layers of a model.
    """
    return jax.nn.gelu(x, approximate=True)


def _forward(x: Array) -> tuple[Array, Array]:
    return gelu(x), x


def _backward(x: Array, slope: Array) -> tuple[Array]:
    _, pulled_back = jax.vjp(lambda y: jax.nn.gelu(y, approximate=True), x)
    found: tuple[Array] = pulled_back(slope)
    return found


gelu.defvjp(_forward, _backward)
