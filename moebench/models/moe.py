"""The expert layer: a router and its experts in place of a block's MLP."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.errors import BadInput
from moebench.models.matmul import by_expert
from moebench.models.sharding import over_experts
from moebench.routers import Router, Routing


class Experts(nnx.Module):
    """MLPs side by side: dim → mlp → dim with GELU in its tanh form, weights in [experts, …] arrays."""

    def __init__(self, experts: int, dim: int, mlp: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        draw = nnx.initializers.xavier_uniform(batch_axis=0)
        self.kernel_in = nnx.Param(draw(rngs.params(), (experts, dim, mlp), jnp.float32))
        self.bias_in = nnx.Param(jnp.zeros((experts, mlp)))
        self.kernel_out = nnx.Param(draw(rngs.params(), (experts, mlp, dim), jnp.float32))
        self.bias_out = nnx.Param(jnp.zeros((experts, dim)))
        self.dtype = dtype

    def __call__(self, inputs: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
        """Every expert its own rows."""
        kernel_in, bias_in, kernel_out, bias_out = self._weights()
        rows = over_experts(inputs.astype(self.dtype))
        hidden = jax.nn.gelu(by_expert(rows, kernel_in) + bias_in[:, None], approximate=True)
        return over_experts(hidden @ kernel_out + bias_out[:, None])

    def ragged(self, inputs: Float[Array, "row dim"], sizes: Int[Array, "expert"]) -> Float[Array, "row dim"]:
        """Rows that stand one expert after the other; `sizes` says how many each expert has. What follows is zero."""
        kernel_in, bias_in, kernel_out, bias_out = self._weights()
        rows = inputs.shape[0]
        expert = jnp.repeat(jnp.arange(sizes.shape[0]), sizes, total_repeat_length=rows)
        # What ragged_dot leaves in rows of no expert is not promised.
        real = (jnp.arange(rows) < sizes.sum())[:, None]
        hidden = jax.lax.ragged_dot(inputs.astype(self.dtype), kernel_in, sizes) + bias_in[expert]
        hidden = jax.nn.gelu(jnp.where(real, hidden, 0), approximate=True)
        return jnp.where(real, jax.lax.ragged_dot(hidden, kernel_out, sizes) + bias_out[expert], 0)

    def merged(
        self, tokens: Float[Array, "group token dim"], weights: Float[Array, "group expert"]
    ) -> Float[Array, "group token dim"]:
        """One MLP for each group of tokens: the experts' parameters in the group's weighted sum."""
        kernel_in, bias_in, kernel_out, bias_out = (
            jnp.einsum("ge,e...->g...", weights.astype(self.dtype), array) for array in self._weights()
        )
        hidden = jax.nn.gelu(tokens.astype(self.dtype) @ kernel_in + bias_in[:, None], approximate=True)
        return hidden @ kernel_out + bias_out[:, None]

    def _weights(self) -> tuple[Array, ...]:
        """Both kernels and biases in the type of the compute."""
        return tuple(p[...].astype(self.dtype) for p in (self.kernel_in, self.bias_in, self.kernel_out, self.bias_out))


class MoE(nnx.Module):
    """Tokens of whole images, routed in groups of `group_images` images, through experts."""

    def __init__(
        self, router: Router, dim: int, mlp: int, group_images: int, *, dtype: jnp.dtype, rngs: nnx.Rngs
    ) -> None:
        self.router = router
        self.experts = Experts(router.experts, dim, mlp, dtype=dtype, rngs=rngs)
        self.group_images = group_images

    def __call__(
        self, tokens: Float[Array, "image token dim"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image token dim"], Routing]:
        """The layer's output, and how it was routed.

        Raises:
            BadInput: the images cannot be split into groups.
        """
        routing = self.route(tokens, noise_key=noise_key)
        return self.apply(tokens, routing), routing

    def route(self, tokens: Float[Array, "image token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        """How the tokens are routed; raises as the layer itself."""
        images = tokens.shape[0]
        if images % self.group_images:
            raise BadInput(
                f"router '{self.router.name}': groups of {self.group_images} images do not divide a batch of {images}; "
                f"use group_images={math.gcd(images, self.group_images)}, or another batch.",
                key="group_images",
            )
        with jax.named_scope("router"):
            return self.router(self._groups(tokens), noise_key=noise_key)

    def apply(self, tokens: Float[Array, "image token dim"], routing: Routing) -> Float[Array, "image token dim"]:
        """The layer's output for tokens that are routed so."""
        return routing.apply(self._groups(tokens), self.experts).reshape(tokens.shape)

    def _groups(self, tokens: Float[Array, "image token dim"]) -> Float[Array, "group group_token dim"]:
        return tokens.reshape(-1, self.group_images * tokens.shape[1], tokens.shape[2])
