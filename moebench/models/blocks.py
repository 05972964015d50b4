"""Blocks of the vision transformer: attention, then an MLP or experts.

Activations are [image · token, dim] between the parts: on CPUs the backward pass of matrix products with three
dimensions takes about twice as long as with two.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench import routers
from moebench.errors import BadInput
from moebench.models.activation import gelu
from moebench.models.attention import Attention
from moebench.models.moe import MoE
from moebench.models.rngs import named
from moebench.models.vit_config import VitConfig
from moebench.routers.matmul import product
from moebench.routers.router import as_argument


class Mlp(nnx.Module):
    """dim → mlp → dim with GELU in its tanh form."""

    def __init__(self, width: int, mlp: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        xavier = nnx.initializers.xavier_uniform()
        self.hidden = nnx.Linear(width, mlp, kernel_init=xavier, dtype=dtype, rngs=named(rngs, "hidden"))
        self.out = nnx.Linear(mlp, width, kernel_init=xavier, dtype=dtype, rngs=named(rngs, "out"))

    @override
    def __call__(self, x: Float[Array, "row dim"]) -> Float[Array, "row dim"]:
        hidden = gelu(self.hidden(x))
        assert self.out.bias is not None
        return product(hidden, self.out.kernel[...].astype(hidden.dtype)) + self.out.bias[...].astype(hidden.dtype)


def mlp_or_experts(config: VitConfig, routed: bool, *, rngs: nnx.Rngs) -> Mlp | MoE:
    """Return the MLP of a block, or its MoE layer.

    Args:
        config: the model.
        routed: whether the block has experts.
        rngs: keys of the block.
    """
    size, dtype, of_mlp = config.preset.size, config.dtype, named(rngs, "mlp")
    if not routed:
        return Mlp(size.width, size.mlp, dtype=dtype, rngs=of_mlp)
    router = routers.create(config.router, dim=size.width, rngs=named(rngs, "router"), **config.router_options)
    return MoE(router, size.width, size.mlp, config.group_images, dtype=dtype, rngs=of_mlp)


def through(
    layer: Mlp | MoE,
    rows: Float[Array, "row dim"],
    tokens: int,
    noise_key: PRNGKeyArray | None,
    truth: Int[Array, "image token"] | None = None,
) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
    """Return a layer's outputs, and their routing if the layer has experts.

    Args:
        layer: the MLP or MoE layer of a block.
        rows: float[images · tokens, dim].
        tokens: tokens of an image.
        noise_key: key of the noise in training; None: evaluation.
        truth: the right expert of each token, or 255, for a router that needs the truth; None: not known.
    """
    if isinstance(layer, Mlp):
        with jax.named_scope("mlp"):
            return layer(rows), None
    outputs, routing = layer(rows.reshape(-1, tokens, rows.shape[-1]), noise_key=noise_key, truth=truth)
    return outputs.reshape(rows.shape), routing


class Block(nnx.Module):
    """Transformer block: x + attention(norm(x)), then x + mlp(norm(x)).

    The `mlp` is an MLP or experts, and norms are in float32.
    """

    def __init__(self, config: VitConfig, number: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        size = config.preset.size
        self.norm_attention = nnx.LayerNorm(size.width, rngs=rngs)
        self.attention = Attention(size.width, size.heads, dtype=dtype, rngs=named(rngs, "attention"))
        self.norm_mlp = nnx.LayerNorm(size.width, rngs=rngs)
        self.mlp = mlp_or_experts(config, number in config.moe_blocks, rngs=rngs)
        self.dtype = dtype

    @override
    def __call__(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        noise_key: PRNGKeyArray | None,
        truth: Int[Array, "image token"] | None = None,
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        return self.feed(self.attend(x, tokens), tokens, noise_key, truth)

    def attend(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        """Return the tokens after the block's first half, which has no router."""
        normed = self.norm_attention(x).astype(self.dtype)
        with jax.named_scope("attention"):
            attended = self.attention(normed, tokens)
        return x + attended

    def feed(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        noise_key: PRNGKeyArray | None,
        truth: Int[Array, "image token"] | None = None,
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        """Return the tokens after the MLP or the experts, and the routing.

        The MLP or the experts are the block's second half.
        """
        y, routing = through(self.mlp, self._normed(x), tokens, noise_key, truth)
        return x + y, routing

    def route(
        self, x: Float[Array, "row dim"], tokens: int, truth: Int[Array, "image token"] | None = None
    ) -> tuple[Float[Array, "image token dim"], routers.Routing]:
        """Return the tokens that a block with experts routes, and their routing in evaluation."""
        assert isinstance(self.mlp, MoE)
        images = self._normed(x).reshape(-1, tokens, x.shape[-1])
        return images, self.mlp.route(images, truth=truth)

    def finish(
        self, x: Float[Array, "row dim"], images: Float[Array, "image token dim"], routing: routers.Routing
    ) -> Float[Array, "row dim"]:
        """Return the tokens after the experts, for a given routing of the normed images."""
        assert isinstance(self.mlp, MoE)
        return x + self.mlp.apply(images, routing).reshape(x.shape)

    def _normed(self, x: Float[Array, "row dim"]) -> Float[Array, "row dim"]:
        normed: Array = self.norm_mlp(x)
        return normed.astype(self.dtype)


class RoutedBlock(nnx.Module):
    """Block for the tokens that its router takes; other tokens bypass the block.

    Attention is among the tokens in the block alone.
    """

    def __init__(self, config: VitConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        if config.group_images != 1:
            raise BadInput(
                f"router '{config.router}' takes tokens into a block, whose attention is within one image: "
                f"group_images must be 1, got {config.group_images}.",
                key="group_images",
            )
        width = config.preset.size.width
        self.router = routers.create(config.router, dim=width, rngs=named(rngs, "router"), **config.router_options)
        self.block = Block(replace(config, moe_blocks=()), 0, dtype=dtype, rngs=rngs)

    @override
    def __call__(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        noise_key: PRNGKeyArray | None,
        truth: Int[Array, "image token"] | None = None,
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        return self.feed(self.attend(x, tokens), tokens, noise_key, truth)

    def attend(self, x: Float[Array, "row dim"], tokens: int) -> Float[Array, "row dim"]:
        """Return the tokens unchanged, because nothing precedes the routing."""
        return x

    def feed(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        noise_key: PRNGKeyArray | None,
        truth: Int[Array, "image token"] | None = None,
    ) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
        """Return the tokens after the block, and their routing."""
        images, routing = self.route(x, tokens, truth, noise_key)
        return self.finish(x, images, routing), routing

    def route(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        truth: Int[Array, "image token"] | None = None,
        noise_key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "image token dim"], routers.Routing]:
        """Return the tokens by image, and the routing that takes some of them."""
        images = x.reshape(-1, tokens, x.shape[-1])
        with jax.named_scope("router"):
            return images, self.router(images, noise_key=noise_key, **as_argument(self.router, truth))

    def finish(
        self, x: Float[Array, "row dim"], images: Float[Array, "image token dim"], routing: routers.Routing
    ) -> Float[Array, "row dim"]:
        """Return the tokens after the block, which the taken ones pass and the others bypass."""
        with jax.named_scope("dispatch_combine/dispatch"):
            inside = routing.dispatch(images)
        rows = inside.reshape(-1, x.shape[-1])
        added = self.block(rows, inside.shape[2], None)[0] - rows
        with jax.named_scope("dispatch_combine/combine"):
            combined = routing.combine(added.reshape(inside.shape))
        return x + combined.reshape(x.shape)


def make_block(config: VitConfig, number: int, *, rngs: nnx.Rngs) -> Block | RoutedBlock:
    """Return a block of a model.

    Args:
        config: the model.
        number: number of the block, from 0.
        rngs: keys of the block.
    """
    if number in config.moe_blocks and routers.find(config.router).routes_through == "block":
        return RoutedBlock(config, dtype=config.dtype, rngs=rngs)
    return Block(config, number, dtype=config.dtype, rngs=rngs)


def through_block(
    block: Block | RoutedBlock,
    x: Float[Array, "row dim"],
    tokens: int,
    noise_key: PRNGKeyArray | None,
    truth: Int[Array, "image token"] | None = None,
    *,
    remat: str = "none",
    in_loop: bool = False,
) -> tuple[Float[Array, "row dim"], routers.Routing | None]:
    """Return a block's outputs and routing.

    Args:
        block: block of a model.
        x: float[images · tokens, dim].
        tokens: tokens of an image.
        noise_key: key of the noise in training; None: evaluation.
        truth: the right expert of each token, or 255, for a router that needs the truth; None: not known.
        remat: what the backward pass of a training step computes again, as in `VitConfig`.
        in_loop: whether the block is the body of a loop, which keeps every number that the backward pass reads.
    """
    if noise_key is None or (remat == "none" and not in_loop):
        return block(x, tokens, noise_key, truth)

    def forward(
        block: Block | RoutedBlock, rows: Array, key: PRNGKeyArray, known: Array | None
    ) -> tuple[Array, routers.Routing | None]:
        return block(rows, tokens, key, known)

    policy = {"none": _kept, "dots": jax.checkpoint_policies.dots_saveable, "blocks": None}[remat]
    again = nnx.remat(forward, policy=policy, prevent_cse=not in_loop)
    found: tuple[Array, routers.Routing | None] = again(block, x, noise_key, truth)
    return found


_CHEAP = frozenset(
    (
        *("abs", "add", "add_any", "and", "convert_element_type", "copy", "div", "eq", "exp", "ge", "gt"),
        *("integer_pow", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow", "rsqrt", "select_n"),
        *("sign", "sqrt", "square", "stop_gradient", "sub", "tanh"),
        *("broadcast_in_dim", "expand_dims", "iota", "reshape", "squeeze", "transpose"),
    )
)
"""Element-wise operations and new views of arrays."""


def _kept(primitive: Any, *_: Any, **__: Any) -> bool:
    """Return whether the backward pass of a loop reads an operation's result from memory.

    Outside of loops XLA decides this: element-wise operations are computed again within the kernels that read their
    results.
    """
    return primitive.name not in _CHEAP
