"""The MoE layer: a router and its experts in place of a block's MLP."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.errors import BadInput
from moebench.models.activation import gelu
from moebench.models.rngs import named
from moebench.models.sharding import over_experts, over_images
from moebench.routers import Router, Routing
from moebench.routers.grouped_matmul import by_block, in_blocks
from moebench.routers.matmul import by_expert
from moebench.routers.router import as_argument


class Experts(nnx.Module):
    """MLPs side by side: dim → mlp → dim with GELU in its tanh form.

    Weights are in [experts, …] arrays. The initial weights of expert e are the e-th draw, whatever the number of
    experts; those of expert 0 equal those of the dense MLP of its block.
    """

    def __init__(self, experts: int, dim: int, mlp: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.kernel_in = nnx.Param(_by_expert(experts, (dim, mlp), named(rngs, "hidden")))
        self.bias_in = nnx.Param(jnp.zeros((experts, mlp)))
        self.kernel_out = nnx.Param(_by_expert(experts, (mlp, dim), named(rngs, "out")))
        self.bias_out = nnx.Param(jnp.zeros((experts, dim)))
        self.dtype = dtype

    def __call__(self, inputs: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
        """Return each expert's outputs for its own rows."""
        bias_in, bias_out = (bias[...].astype(self.dtype)[:, None] for bias in (self.bias_in, self.bias_out))
        rows = over_experts(inputs.astype(self.dtype))
        hidden = gelu(by_expert(rows, self.kernel_in[...]) + bias_in)
        return over_images(by_expert(hidden, self.kernel_out[...]) + bias_out)

    def ragged(self, inputs: Float[Array, "row dim"], sizes: Int[Array, "expert"]) -> Float[Array, "row dim"]:
        """Return each expert's outputs for its own rows, which are sorted by expert.

        Rows beyond all experts' rows give zero.

        Args:
            inputs: float[rows, dim].
            sizes: rows of each expert.
        """
        weights = self.kernel_in[...], self.bias_in[...], self.kernel_out[...], self.bias_out[...]
        rows = inputs.astype(self.dtype)
        outputs: Array = jax.lax.platform_dependent(rows, sizes, *weights, cpu=_ragged, default=_ragged_in_blocks)
        return outputs

    def merged(
        self, tokens: Float[Array, "group token dim"], weights: Float[Array, "group expert"]
    ) -> Float[Array, "group token dim"]:
        """Return the outputs of one merged MLP for each group.

        The parameters of the MLP are a weighted sum of the experts' parameters.
        """
        kernel_in, bias_in, kernel_out, bias_out = (
            jnp.einsum("ge,e...->g...", weights.astype(self.dtype), array) for array in self._weights()
        )
        hidden = gelu(tokens.astype(self.dtype) @ kernel_in + bias_in[:, None])
        return hidden @ kernel_out + bias_out[:, None]

    def _weights(self) -> tuple[Array, ...]:
        """Return both kernels and biases in the type of the compute."""
        return tuple(p[...].astype(self.dtype) for p in (self.kernel_in, self.bias_in, self.kernel_out, self.bias_out))


def _ragged(rows: Array, sizes: Array, *weights: Array) -> Array:
    kernel_in, bias_in, kernel_out, bias_out = (each.astype(rows.dtype) for each in weights)
    expert = jnp.repeat(jnp.arange(sizes.shape[0]), sizes, total_repeat_length=len(rows))
    # ragged_dot does not define its result in rows that belong to no expert.
    real = (jnp.arange(len(rows)) < sizes.sum())[:, None]
    hidden = jax.lax.ragged_dot(rows, kernel_in, sizes) + bias_in[expert]
    hidden = gelu(jnp.where(real, hidden, 0))
    return jnp.where(real, jax.lax.ragged_dot(hidden, kernel_out, sizes) + bias_out[expert], 0)


def _ragged_in_blocks(rows: Array, sizes: Array, *weights: Array) -> Array:
    kernel_in, bias_in, kernel_out, bias_out = weights
    blocks = in_blocks(sizes, len(rows))
    in_, out = (bias[blocks.expert, None].astype(rows.dtype) for bias in (bias_in, bias_out))
    hidden = gelu(by_block(blocks.of(rows), kernel_in, blocks.expert) + in_)
    return blocks.back(by_block(hidden, kernel_out, blocks.expert) + out)


def _by_expert(experts: int, shape: tuple[int, int], rngs: nnx.Rngs) -> Float[Array, "expert in out"]:
    """Return a kernel for each expert.

    The kernels are drawn as the first, second, … kernel from these keys.
    """
    keys = jax.vmap(partial(jax.random.fold_in, rngs.params.key[...]))(jnp.arange(experts))
    return jax.vmap(lambda key: nnx.initializers.xavier_uniform()(key, shape, jnp.float32))(keys)


class MoE(nnx.Module):
    """An MoE layer, which routes tokens in groups of `group_images` images through experts."""

    def __init__(
        self, router: Router, dim: int, mlp: int, group_images: int, *, dtype: jnp.dtype, rngs: nnx.Rngs
    ) -> None:
        self.router = router
        self.experts = Experts(router.experts, dim, mlp, dtype=dtype, rngs=rngs)
        self.group_images = group_images

    def __call__(
        self,
        tokens: Float[Array, "image token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
        truth: Int[Array, "image token"] | None = None,
    ) -> tuple[Float[Array, "image token dim"], Routing]:
        """Return the layer's outputs and their routing.

        Args:
            tokens: float[images, tokens, dim].
            noise_key: key of the noise in training; None: evaluation.
            truth: the right expert of each token, or 255, for a router that needs the truth; None: not known.

        Raises:
            BadInput: the images cannot be split into groups.
        """
        routing = self.route(tokens, noise_key=noise_key, truth=truth)
        return self.apply(tokens, routing), routing

    def route(
        self,
        tokens: Float[Array, "image token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
        truth: Int[Array, "image token"] | None = None,
    ) -> Routing:
        """Return the routing of the tokens; arguments and errors are those of the layer."""
        images = tokens.shape[0]
        if images % self.group_images:
            raise BadInput(
                f"router '{self.router.name}': groups of {self.group_images} images do not divide a batch of {images}; "
                f"use group_images={math.gcd(images, self.group_images)}, or another batch.",
                key="group_images",
            )
        with jax.named_scope("router"):
            groups = self._groups(tokens)
            known = None if truth is None else truth.reshape(groups.shape[:2])
            return self.router(groups, noise_key=noise_key, **as_argument(self.router, known))

    def apply(self, tokens: Float[Array, "image token dim"], routing: Routing) -> Float[Array, "image token dim"]:
        """Return the layer's outputs for tokens with a given routing."""
        return routing.apply(self._groups(tokens), self.experts).reshape(tokens.shape)

    def _groups(self, tokens: Float[Array, "image token dim"]) -> Float[Array, "group group_token dim"]:
        return tokens.reshape(-1, self.group_images * tokens.shape[1], tokens.shape[2])
