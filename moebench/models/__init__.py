"""The shared vision transformer, its expert layer, and the shapes that were published."""

from moebench.models.moe import Experts, MoE
from moebench.models.presets import SIZES, Preset, Size, describe, moe_blocks, names, preset
from moebench.models.vit import Vit, VitConfig

__all__ = [
    "SIZES",
    "Experts",
    "MoE",
    "Preset",
    "Size",
    "Vit",
    "VitConfig",
    "describe",
    "moe_blocks",
    "names",
    "preset",
]
