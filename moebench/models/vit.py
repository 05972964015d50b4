"""The shared vision transformer: pre-norm blocks, learned positions, mean pooling, experts in chosen blocks.

The named scopes are the parts by which `moebench.measuring` counts FLOPs.

Every module draws its parameters from keys of its own name, so that models with different routers share all other
initial parameters for one seed: common random numbers for paired comparisons.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench import routers
from moebench.models.blocks import Block, RoutedBlock
from moebench.models.rngs import named
from moebench.models.stacks import Stack, make_blocks, one_by_one, through_blocks
from moebench.models.vit_config import VitConfig


class Vit(nnx.Module):
    """A vision transformer, from images to logits, with the routing of every MoE layer."""

    def __init__(self, config: VitConfig, *, rngs: nnx.Rngs) -> None:
        width = config.preset.size.width
        dtype = config.dtype
        self.config, self.dtype = config, dtype
        pixels = config.channels * config.preset.patch**2
        self.embed = nnx.Linear(pixels, width, dtype=dtype, rngs=named(rngs, "embed"))
        drawn = jax.random.normal(named(rngs, "positions").params(), (config.tokens, width))
        self.positions = nnx.Param(config.preset.position_init * drawn)
        self.blocks: nnx.List[Block | RoutedBlock | Stack] = nnx.List(make_blocks(config, keys=rngs))
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        if config.preset.class_token:
            self.class_token = nnx.Param(jnp.zeros(width))
        if not config.classes:
            return
        if config.preset.class_token:
            self.pre_logits = nnx.Linear(width, width, rngs=named(rngs, "pre_logits"))
        # Zeros make the first loss exactly log(classes), whatever the router.
        self.head = nnx.Linear(width, config.classes, kernel_init=nnx.initializers.zeros, rngs=rngs)

    def __call__(
        self, images: Float[Array, "image height width channel"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image label"], list[routers.Routing]]:
        """Return logits in float32, and a Routing for each block of `config.moe_blocks`.

        Args:
            images: float[images, height, width, channels].
            noise_key: key of the noise in training; None: evaluation.
        """
        x, routings = self.encoded(images, noise_key)
        return self.read_out(x), routings

    def encoded(
        self, images: Float[Array, "image height width channel"], noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], list[routers.Routing]]:
        """Return the last block's tokens, and the routings; arguments are those of the model."""
        tokens, truth = self.config.tokens, self.truth(images)
        with jax.named_scope("embed"):
            x = self.embedded(images)
        return through_blocks(self.blocks, x, tokens, noise_key, truth, remat=self.config.remat)

    def each_block(self) -> list[Block | RoutedBlock]:
        """Return the blocks one by one, of a deep model taken out of their stacks."""
        return one_by_one(self.blocks)

    def truth(self, images: Float[Array, "image height width channel"]) -> Int[Array, "image token"] | None:
        """Return the right expert of each token, from the images' last channel.

        The result is None if the images have no such channel. A token of several patches of the task takes the smallest
        number among them, so that 255, for patches that decide nothing, stands for tokens of such patches alone. A
        class token has 255.
        """
        if not self.config.truth:
            return None
        squares = patches(images[..., self.config.channels :], self.config.preset.patch).min(-1)
        found = squares.reshape(images.shape[0], -1).astype(jnp.int32)
        return jnp.pad(found, ((0, 0), (int(self.config.preset.class_token), 0)), constant_values=routers.NO_EXPERT)

    def read_out(self, x: Float[Array, "row dim"]) -> Float[Array, "image label"]:
        """Return the logits from the last block's tokens."""
        with jax.named_scope("head"):
            pooled = self.pooled(x)
            return self.head(jnp.tanh(self.pre_logits(pooled)) if self.config.preset.class_token else pooled)

    def pooled(self, x: Float[Array, "row dim"]) -> Float[Array, "image dim"]:
        """Return each image's features: the tokens' mean, or the class token.

        The head takes these features.
        """
        by_image = self.norm(x).reshape(-1, self.config.tokens, x.shape[-1])
        pooled: Array = by_image[:, 0] if self.config.preset.class_token else by_image.mean(1)
        return pooled

    def embedded(self, images: Float[Array, "image height width channel"]) -> Float[Array, "row dim"]:
        """Return the tokens of all images with their positions.

        An image's tokens follow a class token if the model has one.
        """
        seen = images[..., : self.config.channels] if self.config.truth else images
        rows = self.embed(patches(seen, self.config.preset.patch).astype(self.dtype))
        x = rows.reshape(images.shape[0], -1, rows.shape[-1])
        if self.config.preset.class_token:
            first = jnp.broadcast_to(self.class_token[...].astype(self.dtype), (x.shape[0], 1, x.shape[-1]))
            x = jnp.concatenate([first, x], axis=1)
        return (x + self.positions[...].astype(self.dtype)).reshape(-1, x.shape[-1])


def patches(images: Float[Array, "image height width channel"], size: int) -> Float[Array, "row pixel"]:
    """Return the square patches of all images, row by row, flattened.

    Args:
        images: float[images, height, width, channels].
        size: side of a patch in pixels.
    """
    count, height, width, channels = images.shape
    grid = images.reshape(count, height // size, size, width // size, size, channels)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(-1, size * size * channels)
