"""The shape of a model, from which its parameters and programs follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from moebench.errors import BadInput
from moebench.models.presets import Preset


@dataclass(frozen=True)
class VitConfig:
    """Shape of a model, with its router and number format."""

    preset: Preset
    image_size: int
    channels: int
    classes: int
    """Classes of the head; 0 for a tower without a head."""
    router: str
    router_options: Mapping[str, Any]
    group_images: int
    moe_blocks: tuple[int, ...]
    precision: str = "float32"
    remat: str = "none"
    """What the backward pass computes again: nothing ("none"), whole blocks, or all but matrix products ("dots")."""
    truth: bool = False
    """Whether images have a further channel, the truth about each pixel's patch, which the router receives and the
    rest of the model does not."""

    @property
    def dtype(self) -> jnp.dtype:
        """Type of the compute, apart from logits, softmaxes and norms."""
        return jnp.dtype("float32" if self.precision == "float32" else "bfloat16")

    @property
    def tokens(self) -> int:
        """Tokens of an image: its patches, and the class token if the model has one.

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
