"""Compute attention between the tokens of an image by each device's fastest way.

The softmax is float32.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float
from typing_extensions import override


class Attention(nnx.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.heads = heads
        xavier = nnx.initializers.xavier_uniform()
        self.qkv = nnx.Linear(width, 3 * width, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(width, width, kernel_init=xavier, dtype=dtype, rngs=rngs)

    @override
    def __call__(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        q, k, v = jnp.moveaxis(self.qkv(x).reshape(-1, tokens, 3, self.heads, x.shape[-1] // self.heads), 2, 0)
        return self.out(attend(q, k, v).reshape(x.shape))


def attend(
    q: Float[Array, "image token head dim"],
    k: Float[Array, "image token head dim"],
    v: Float[Array, "image token head dim"],
) -> Float[Array, "image token head dim"]:
    """Return attention's mean of the values for each query, within each image and head.

    The values are weighted by softmax(q·k / √dim).

    Args:
        q: queries, float[images, tokens, heads, dim].
        k: keys of that shape.
        v: values of that shape.
    """
    if not (fits_cudnn(q.shape[1], q.shape[3], q.dtype) and has_cudnn()):
        return attend_unfused(q, k, v)
    attended: Array = jax.lax.platform_dependent(q, k, v, cuda=_FUSED, default=attend_unfused)
    return attended


_FUSED = partial(jax.nn.dot_product_attention, implementation="cudnn")


def fits_cudnn(tokens: int, dim: int, dtype: jnp.dtype) -> bool:
    """Return whether cuDNN has fused attention for heads of a shape and type.

    Both passes are fused, forward and backward. cuDNN accepts 16-bit numbers, up to 128 dimensions in steps of 8, and
    in training only even numbers of tokens.

    Args:
        tokens: tokens of an image.
        dim: dimensions of a head.
        dtype: type of queries, keys and values.
    """
    return dtype.itemsize == 2 and tokens % 2 == 0 and dim % 8 == 0 and dim <= 128


@cache
def has_cudnn() -> bool:
    """Return whether JAX finds a cuDNN with fused attention.

    The devices may be this machine's or absent ones.
    """
    tokens = jax.ShapeDtypeStruct((1, 8, 1, 8), jnp.bfloat16)
    try:
        jax.eval_shape(_FUSED, tokens, tokens, tokens)
    except RuntimeError:
        return False
    return True


@jax.custom_vjp
def attend_unfused(
    q: Float[Array, "image token head dim"],
    k: Float[Array, "image token head dim"],
    v: Float[Array, "image token head dim"],
) -> Float[Array, "image token head dim"]:
    """Return the result of `attend`, with a backward pass that reads the weights few times.

    All four products of the backward pass are of the type of the queries, with sums in float32. Automatic
    differentiation would make two of them float32 products, since the scores are float32.

    The gradient of a softmax subtracts the sum of weight times slope over the keys. This sum is computed as the product
    of output and slope, which is as wide as a head and not as the number of tokens (2205.14135, appendix B.4). XLA on
    CPUs takes a quarter less time for the gradient than with automatic differentiation.
    """
    return _forward(q, k, v)[0]


def _forward(q: Array, k: Array, v: Array) -> tuple[Array, tuple[Array, ...]]:
    scaled, rest = _scaled(q)
    scores = jnp.einsum("bqhd,bkhd->bhqk", scaled, k, preferred_element_type=jnp.float32)
    weights = jax.nn.softmax(scores if rest is None else scores * rest, axis=-1)
    out = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(v.dtype), v)
    return out, (q, k, v, weights, out)


def _backward(kept: tuple[Array, ...], slope: Array) -> tuple[Array, Array, Array]:
    q, k, v, weights, out = kept
    scaled, rest = _scaled(q)
    by_weights = jnp.einsum("bqhd,bkhd->bhqk", slope, v, preferred_element_type=jnp.float32)
    # Not a matrix product: counts of FLOPs count matrix products alone, and attention's gradient has four.
    mean = (slope.astype(jnp.float32) * out.astype(jnp.float32)).sum(-1).swapaxes(1, 2)
    by_scores = weights * (by_weights - mean[..., None])
    by_scores = (by_scores if rest is None else by_scores * rest).astype(q.dtype)
    by_q = jnp.einsum("bhqk,bkhd->bqhd", by_scores, k)
    by_q = by_q * q.shape[-1] ** -0.5 if rest is None else by_q
    return by_q, _summed_over_queries(by_scores, scaled), _summed_over_queries(weights.astype(v.dtype), slope)


def _scaled(q: Array) -> tuple[Array, float | None]:
    """Return the queries times 1 / √dim, and None.

    For 16 bits, return the unchanged queries, and the factor of the scores. The queries are fewer numbers than the
    scores, but 16 bits allow no second rounding.
    """
    scale = q.shape[-1] ** -0.5
    return (q, scale) if q.dtype.itemsize == 2 else (q * scale, None)


def _summed_over_queries(
    weights: Float[Array, "image head query key"], rows: Float[Array, "image query head dim"]
) -> Float[Array, "image key head dim"]:
    """Return the sum over the queries of weight times row, for each key.

    XLA on CPUs transposes the left factor of such a product. The rows are narrower than the weights, and so is their
    result, which is transposed back.
    """
    if rows.shape[-1] >= weights.shape[-1]:
        return _summed(weights, rows)
    summed: Array = jax.lax.platform_dependent(weights, rows, cpu=_summed_turned, default=_summed)
    return summed


def _summed(weights: Array, rows: Array) -> Array:
    return jnp.einsum("bhqk,bqhd->bkhd", weights, rows)


def _summed_turned(weights: Array, rows: Array) -> Array:
    # Without the barrier XLA would transpose the product again.
    narrow = jax.lax.optimization_barrier(jnp.einsum("bqhd,bhqk->bhdk", rows, weights))
    return jnp.einsum("bhdk->bkhd", narrow)


attend_unfused.defvjp(_forward, _backward)
