"""The vision transformer, text tower and temperature of contrastive cells.

Images are embedded as the mean of the vision transformer's tokens, without a head. The text tower ends in a projection
to that width, as in locked-image tuning, in which the image tower is not trained (2111.07991). Both embeddings are
scaled to length 1 in float32.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench import routers
from moebench.errors import unknown
from moebench.models.blocks import Block, RoutedBlock
from moebench.models.presets import SIZES, Preset, Size
from moebench.models.rngs import named
from moebench.models.stacks import Stack, make_blocks, through_blocks
from moebench.models.vit import Vit
from moebench.models.vit_config import VitConfig
from moebench.spec.cell_spec import ContrastiveLoss

INITIAL_SCALE = 10.0
"""Factor of the cosines before the first step, 1 over the temperature (2111.07991; 2303.15343, section 3.2)."""
INITIAL_BIAS = -10.0
"""Term added to the scaled cosines before the first step, only for the sigmoid loss (2303.15343, section 3.2)."""
_SMALLEST_SQUARE = 1e-16
"""Added to the squared length of an embedding, so that an embedding of zeros has a gradient."""


@dataclass(frozen=True)
class TextConfig(VitConfig):
    """Shape of a text tower, whose tokens are words.

    `classes` is the width of the projection.
    """

    vocabulary: int = 0
    length: int = 0
    """Tokens of each caption, the padding included."""

    @property
    def tokens(self) -> int:
        """Tokens of a caption."""
        return self.length


@dataclass(frozen=True)
class TwoTowersConfig(VitConfig):
    """Shape of an image tower without a head, and of the text tower beside it."""

    text: TextConfig | None = None
    """Shape of the text tower."""
    loss: ContrastiveLoss = "softmax"
    """Contrastive loss; sigmoid also learns a term added to the scaled cosines."""
    frozen: bool = False
    """Whether the image tower is not trained, so that training takes embeddings in place of images."""


def text_size(name: str) -> Size:
    """Return the size of a text tower, such as mu or b.

    Raises:
        BadInput: no size has that name.
    """
    if name not in SIZES:
        raise unknown("text tower", name, SIZES, key="text_model")
    return SIZES[name]


def text_preset(name: str) -> Preset:
    """Return the backbone of a text tower of one of the sizes.

    Raises:
        BadInput: no size has that name.
    """
    return Preset(text_size(name), patch=1)


class TextTower(nnx.Module):
    """Transformer from the tokens of captions to embeddings, pooled at the last token.

    The transformer is pre-norm and attends without a mask. The public code of the Soft MoE paper attends to all tokens,
    fills captions up with the token that ends them, and reads the last one (2308.00951).
    """

    def __init__(self, config: TextConfig, *, rngs: nnx.Rngs) -> None:
        width = config.preset.size.width
        self.config = config
        self.embed = nnx.Embed(config.vocabulary, width, dtype=config.dtype, rngs=named(rngs, "embed"))
        drawn = jax.random.normal(named(rngs, "positions").params(), (config.length, width))
        self.positions = nnx.Param(config.preset.position_init * drawn)
        self.blocks: nnx.List[Block | RoutedBlock | Stack] = nnx.List(make_blocks(config, keys=rngs))
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, config.classes, rngs=named(rngs, "head"))

    def __call__(
        self, captions: Int[Array, "text token"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "text dim"], list[routers.Routing]]:
        """Return embeddings in float32, of any length, and a Routing for each block of `config.moe_blocks`.

        Args:
            captions: numbers of the tokens, padding included.
            noise_key: key of the noise in training; None: evaluation.
        """
        with jax.named_scope("embed"):
            x = self.embed(captions) + self.positions[...].astype(self.config.dtype)
        rows = x.reshape(-1, x.shape[-1])
        rows, routings = through_blocks(self.blocks, rows, self.config.length, noise_key, remat=self.config.remat)
        last = self.norm(rows.reshape(x.shape)[:, -1])
        with jax.named_scope("head"):
            return self.head(last), routings


class TwoTowers(nnx.Module):
    """An image tower and a text tower whose embeddings are compared by their cosine."""

    def __init__(self, config: TwoTowersConfig, *, rngs: nnx.Rngs) -> None:
        assert config.text is not None
        self.config = config
        self.image = Vit(config, rngs=rngs)
        self.text = TextTower(config.text, rngs=named(rngs, "text"))
        self.log_scale = nnx.Param(jnp.log(jnp.float32(INITIAL_SCALE)))
        if config.loss == "sigmoid":
            self.logit_bias = nnx.Param(jnp.float32(INITIAL_BIAS))

    def embed_images(
        self, images: Float[Array, "image height width channel"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "image dim"], list[routers.Routing]]:
        """Return embeddings of length 1, and the routings; arguments are those of the image tower."""
        x, routings = self.image.encoded(images, noise_key)
        return of_length_1(self.image.pooled(x)), routings

    def embed_texts(
        self, captions: Int[Array, "text token"], *, noise_key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "text dim"], list[routers.Routing]]:
        """Return embeddings of length 1, and the routings; arguments are those of the text tower."""
        embeddings, routings = self.text(captions, noise_key=noise_key)
        return of_length_1(embeddings), routings

    @property
    def scale(self) -> Float[Array, ""]:
        """Factor of the cosines, the inverse of the temperature."""
        return jnp.exp(self.log_scale[...].astype(jnp.float32))

    @property
    def bias(self) -> Float[Array, ""] | None:
        """Term added to the scaled cosines; None for the softmax loss.

        The softmax loss does not depend on such a term.
        """
        return self.logit_bias[...].astype(jnp.float32) if self.config.loss == "sigmoid" else None


def of_length_1(embeddings: Float[Array, "row dim"]) -> Float[Array, "row dim"]:
    """Return embeddings divided by their lengths, in float32."""
    wide = embeddings.astype(jnp.float32)
    return wide * jax.lax.rsqrt(jnp.square(wide).sum(-1, keepdims=True) + _SMALLEST_SQUARE)
