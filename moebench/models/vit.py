"""The shared vision transformer: pre-norm blocks, learned positions, mean pooling, experts in chosen blocks.

The named scopes are the parts by which `moebench.measuring` counts what the model costs.
Activations are [image · token, dim] between the parts: on CPUs the backward pass of matrix products with three
dimensions takes about twice as long as with two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    def dtype(self) -> jnp.dtype:
        """Type of the compute, apart from logits, softmaxes and norms."""
        return jnp.dtype("float32" if self.precision == "float32" else "bfloat16")

    @property
    def tokens(self) -> int:
        """Tokens of an image: its patches, and the class token where the model has one.

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
        return side * side + self.preset.class_token


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


def mlp_or_experts(config: VitConfig, routed: bool, *, rngs: nnx.Rngs) -> Mlp | MoE:
    """What the tokens of a block go through after the attention."""
    size, dtype = config.preset.size, config.dtype
    if not routed:
        return Mlp(size.width, size.mlp, dtype=dtype, rngs=rngs)
    router = routers.create(config.router, dim=size.width, rngs=rngs, **config.router_options)
    return MoE(router, size.width, size.mlp, config.group_images, dtype=dtype, rngs=rngs)


def through(
    layer: Mlp | MoE, rows: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
    """The layer's outputs for images of so many tokens each, and how they were routed if they were."""
    if isinstance(layer, Mlp):
        with jax.named_scope("mlp"):
            return layer(rows), None
    outputs, routing = layer(rows.reshape(-1, tokens, rows.shape[-1]), noise_key=noise_key)
    return outputs.reshape(rows.shape), routing


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) with an MLP or experts; norms are float32."""

    def __init__(self, config: VitConfig, number: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        size = config.preset.size
        self.norm_attention = nnx.LayerNorm(size.width, rngs=rngs)
        self.attention = Attention(size.width, size.heads, dtype=dtype, rngs=rngs)
        self.norm_mlp = nnx.LayerNorm(size.width, rngs=rngs)
        self.mlp = mlp_or_experts(config, number in config.moe_blocks, rngs=rngs)
        self.dtype = dtype

    def __call__(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        return self.feed(self.attend(x, tokens), tokens, noise_key)

    def attend(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        """The block's first half, which no router has a part in."""
        normed = self.norm_attention(x).astype(self.dtype)
        with jax.named_scope("attention"):
            attended = self.attention(normed, tokens)
        return x + attended

    def feed(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        """Its second half: the MLP, or the experts with their routing."""
        y, routing = through(self.mlp, self._normed(x), tokens, noise_key)
        return x + y, routing

    def route(self, x: Float[Array, "row dim"], tokens: int) -> tuple[Float[Array, "image token dim"], routers.Routing]:
        """The second half of a block with experts up to its routing, in evaluation: what is routed, and how."""
        assert isinstance(self.mlp, MoE)
        images = self._normed(x).reshape(-1, tokens, x.shape[-1])
        return images, self.mlp.route(images)

    def finish(
        self, x: Float[Array, "row dim"], images: Float[Array, "image token dim"], routing: routers.Routing
    ) -> Float[Array, "row dim"]:
        """The rest of it."""
        assert isinstance(self.mlp, MoE)
        return x + self.mlp.apply(images, routing).reshape(x.shape)

    def _normed(self, x: Float[Array, "row dim"]) -> Float[Array, "row dim"]:
        normed: Array = self.norm_mlp(x)
        return normed.astype(self.dtype)


class RoutedBlock(nnx.Module):
    """A block for the tokens that its router takes, which meet each other alone in it; the others go past it."""

    def __init__(self, config: VitConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        if config.group_images != 1:
            raise BadInput(
                f"router '{config.router}' takes tokens into a block, whose attention is within one image: "
                f"group_images must be 1, got {config.group_images}.",
                key="group_images",
            )
        width = config.preset.size.width
        self.router = routers.create(config.router, dim=width, rngs=rngs, **config.router_options)
        self.block = Block(replace(config, moe_blocks=()), 0, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        return self.feed(self.attend(x, tokens), tokens, noise_key)

    def attend(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        """What comes before the routing: nothing."""
        return x

    def feed(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        """The whole block, for the tokens that are taken."""
        images, routing = self.route(x, tokens, noise_key)
        return self.finish(x, images, routing), routing

    def route(
        self, x: Float[Array, "row dim"], tokens: int, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image token dim"], routers.Routing]:
        """The images' tokens, and which of them are taken."""
        images = x.reshape(-1, tokens, x.shape[-1])
        with jax.named_scope("router"):
            return images, self.router(images, noise_key=noise_key)

    def finish(
        self, x: Float[Array, "row dim"], images: Float[Array, "image token dim"], routing: routers.Routing
    ) -> Float[Array, "row dim"]:
        """The block for those that are, and the others past it."""
        with jax.named_scope("dispatch_combine"):
            inside = routing.dispatch(images)
        rows = inside.reshape(-1, x.shape[-1])
        added = self.block(rows, inside.shape[2], None)[0] - rows
        with jax.named_scope("dispatch_combine"):
            combined = routing.combine(added.reshape(inside.shape))
        return x + combined.reshape(x.shape)


def make_block(config: VitConfig, number: int, *, rngs: nnx.Rngs) -> Block | RoutedBlock:
    """The block of that number, from 0."""
    dtype = config.dtype
    if number in config.moe_blocks and routers.find(config.router).routes_through == "block":
        return RoutedBlock(config, dtype=dtype, rngs=rngs)
    return Block(config, number, dtype=dtype, rngs=rngs)


class Vit(nnx.Module):
    """Images to logits, with the routing of every MoE layer beside them."""

    def __init__(self, config: VitConfig, *, rngs: nnx.Rngs) -> None:
        width = config.preset.size.width
        dtype = config.dtype
        self.config, self.dtype = config, dtype
        pixels = config.channels * config.preset.patch**2
        self.embed = nnx.Linear(pixels, width, dtype=dtype, rngs=rngs)
        # As large as the embedded patches: from the usual 0.02 it takes a model hundreds of steps, which is all that
        # a run on a CPU has, to tell its patches apart.
        self.positions = nnx.Param(jax.random.normal(rngs.params(), (config.tokens, width)))
        self.blocks: nnx.List[Block | RoutedBlock] = nnx.List(
            [make_block(config, number, rngs=rngs) for number in range(config.preset.size.layers)]
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        if config.preset.class_token:
            self.class_token = nnx.Param(jnp.zeros(width))
            self.pre_logits = nnx.Linear(width, width, rngs=rngs)
        # Zeros make the first loss exactly log(classes), whatever the router.
        self.head = nnx.Linear(width, config.classes, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(
        self, images: Float[Array, "image height width channel"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image label"], list[routers.Routing]]:
        """Logits in float32, and a Routing for each block of `config.moe_blocks`."""
        x, routings = self.encoded(images, noise_key)
        return self.read_out(x), routings

    def encoded(
        self, images: Float[Array, "image height width channel"], noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], list[routers.Routing]]:
        """The last block's tokens, and the routings."""
        tokens = self.config.tokens
        with jax.named_scope("embed"):
            x = self.embedded(images)
        routings = []
        for number, block in enumerate(self.blocks):
            key = None if noise_key is None else jax.random.fold_in(noise_key, number)
            x, routing = block(x, tokens, key)
            if routing is not None:
                routings.append(routing)
        return x, routings

    def read_out(self, x: Float[Array, "row dim"]) -> Float[Array, "image label"]:
        """Logits from the last block's tokens."""
        with jax.named_scope("head"):
            pooled = self.pooled(x)
            return self.head(jnp.tanh(self.pre_logits(pooled)) if self.config.preset.class_token else pooled)

    def pooled(self, x: Float[Array, "row dim"]) -> Float[Array, "image dim"]:
        """What is known of each image before the head: the tokens' mean, or the class token."""
        by_image = self.norm(x).reshape(-1, self.config.tokens, x.shape[-1])
        pooled: Array = by_image[:, 0] if self.config.preset.class_token else by_image.mean(1)
        return pooled

    def embedded(self, images: Float[Array, "image height width channel"]) -> Float[Array, "row dim"]:
        """The tokens of all images with their positions, a class token before each image's patches if there is one."""
        rows = self.embed(patches(images, self.config.preset.patch).astype(self.dtype))
        x = rows.reshape(images.shape[0], -1, rows.shape[-1])
        if self.config.preset.class_token:
            first = jnp.broadcast_to(self.class_token[...].astype(self.dtype), (x.shape[0], 1, x.shape[-1]))
            x = jnp.concatenate([first, x], axis=1)
        return (x + self.positions[...].astype(self.dtype)).reshape(-1, x.shape[-1])


def patches(images: Float[Array, "image height width channel"], size: int) -> Float[Array, "row pixel"]:
    """Square patches of all images, row by row, flattened."""
    count, height, width, channels = images.shape
    grid = images.reshape(count, height // size, size, width // size, size, channels)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(-1, size * size * channels)
