"""The expert layer: a router and its experts in place of a block's MLP."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from moebench.errors import BadInput
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
        kernel_in, bias_in, kernel_out, bias_out = (
            p[...].astype(self.dtype) for p in (self.kernel_in, self.bias_in, self.kernel_out, self.bias_out)
        )
        hidden = jax.nn.gelu(inputs.astype(self.dtype) @ kernel_in + bias_in[:, None], approximate=True)
        return hidden @ kernel_out + bias_out[:, None]


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
        images, count, dim = tokens.shape
        if images % self.group_images:
            raise BadInput(
                f"router '{self.router.name}': groups of {self.group_images} images do not divide a batch of {images}; "
                f"use group_images={math.gcd(images, self.group_images)}, or another batch.",
                key="group_images",
            )
        groups = tokens.reshape(-1, self.group_images * count, dim)
        with jax.named_scope("router"):
            routing = self.router(groups, noise_key=noise_key)
        with jax.named_scope("dispatch_combine"):
            inputs = routing.dispatch(groups)
        with jax.named_scope("experts"):
            outputs = self.experts(inputs.reshape(inputs.shape[0], -1, dim))
        with jax.named_scope("dispatch_combine"):
            combined = routing.combine(outputs.reshape(inputs.shape))
        return combined.reshape(tokens.shape), routing
