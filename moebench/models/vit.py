"""The shared vision transformer: pre-norm blocks, learned positions, mean pooling, experts in chosen blocks.

Activations are [image · token, dim] between the parts: on CPUs the backward pass of matrix products with three
dimensions takes about twice as long as with two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from moebench import routers
from moebench.errors import BadInput
from moebench.models.moe import MoE
from moebench.models.presets import Preset


@dataclass(frozen=True)
class VitConfig:
    """Everything that fixes the shape of a model."""

    preset: Preset
    image_size: int
    channels: int
    classes: int
    router: str
    router_options: Mapping[str, Any]
    group_images: int
    moe_blocks: tuple[int, ...]
    precision: str = "float32"

    @property
    def tokens(self) -> int:
        """Patches of an image.

        Raises:
            BadInput: the patches do not tile the image.
        """
        side, rest = divmod(self.image_size, self.preset.patch)
        if rest or not side:
            raise BadInput(
                f"patches of {self.preset.patch} pixels do not tile images of {self.image_size} pixels: use a model "
                f"whose patch divides {self.image_size}.",
                key="model",
            )
        return side * side


class Attention(nnx.Module):
    """Multi-head self-attention; the softmax is float32."""

    def __init__(self, width: int, heads: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.heads = heads
        xavier = nnx.initializers.xavier_uniform()
        self.qkv = nnx.Linear(width, 3 * width, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(width, width, kernel_init=xavier, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        q, k, v = jnp.moveaxis(self.qkv(x).reshape(-1, tokens, 3, self.heads, x.shape[-1] // self.heads), 2, 0)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k, preferred_element_type=jnp.float32)
        shares = jax.nn.softmax(scores * q.shape[-1] ** -0.5, axis=-1).astype(v.dtype)
        return self.out(jnp.einsum("bhqk,bkhd->bqhd", shares, v).reshape(x.shape))


class Mlp(nnx.Module):
    """dim → mlp → dim with GELU in its tanh form."""

    def __init__(self, width: int, mlp: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        xavier = nnx.initializers.xavier_uniform()
        self.hidden = nnx.Linear(width, mlp, kernel_init=xavier, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(mlp, width, kernel_init=xavier, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "row dim"]) -> Float[Array, "row dim"]:
        return self.out(jax.nn.gelu(self.hidden(x), approximate=True))


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) with an MLP or experts; norms are float32."""

    def __init__(self, config: VitConfig, number: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        size = config.preset.size
        self.norm_attention = nnx.LayerNorm(size.width, rngs=rngs)
        self.attention = Attention(size.width, size.heads, dtype=dtype, rngs=rngs)
        self.norm_mlp = nnx.LayerNorm(size.width, rngs=rngs)
        self.mlp: Mlp | MoE
        if number in config.moe_blocks:
            router = routers.create(config.router, dim=size.width, rngs=rngs, **config.router_options)
            self.mlp = MoE(router, size.width, size.mlp, config.group_images, dtype=dtype, rngs=rngs)
        else:
            self.mlp = Mlp(size.width, size.mlp, dtype=dtype, rngs=rngs)
        self.dtype = dtype

    def __call__(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        x = x + self.attention(self.norm_attention(x).astype(self.dtype), tokens)
        normed = self.norm_mlp(x).astype(self.dtype)
        if isinstance(self.mlp, Mlp):
            return x + self.mlp(normed), None
        y, routing = self.mlp(normed.reshape(-1, tokens, x.shape[-1]), noise_key=noise_key)
        return x + y.reshape(x.shape), routing


class Vit(nnx.Module):
    """Images to logits, with the routing of every MoE layer beside them."""

    def __init__(self, config: VitConfig, *, rngs: nnx.Rngs) -> None:
        width = config.preset.size.width
        dtype = jnp.dtype(config.precision)
        self.config, self.dtype = config, dtype
        pixels = config.channels * config.preset.patch**2
        self.embed = nnx.Linear(pixels, width, dtype=dtype, rngs=rngs)
        # As large as the embedded patches: from the usual 0.02 it takes a model hundreds of steps, which is all that
        # a run on a CPU has, to tell its patches apart.
        self.positions = nnx.Param(jax.random.normal(rngs.params(), (config.tokens, width)))
        blocks = range(config.preset.size.layers)
        self.blocks = nnx.List([Block(config, number, dtype=dtype, rngs=rngs) for number in blocks])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        # Zeros make the first loss exactly log(classes), whatever the router.
        self.head = nnx.Linear(width, config.classes, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(
        self, images: Float[Array, "image height width channel"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image label"], list[routers.Routing]]:
        """Logits in float32, and a Routing for each block of `config.moe_blocks`."""
        tokens = self.config.tokens
        x = self.embed(patches(images, self.config.preset.patch).astype(self.dtype))
        x = (x.reshape(-1, tokens, x.shape[-1]) + self.positions[...].astype(self.dtype)).reshape(x.shape)
        routings = []
        for number, block in enumerate(self.blocks):
            key = None if noise_key is None else jax.random.fold_in(noise_key, number)
            x, routing = block(x, tokens, key)
            if routing is not None:
                routings.append(routing)
        pooled = self.norm(x).reshape(-1, tokens, x.shape[-1]).mean(1)
        return self.head(pooled), routings


def patches(images: Float[Array, "image height width channel"], size: int) -> Float[Array, "row pixel"]:
    """Square patches of all images, row by row, flattened."""
    count, height, width, channels = images.shape
    grid = images.reshape(count, height // size, size, width // size, size, channels)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(-1, size * size * channels)
