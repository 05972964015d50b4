"""Public names of the shared vision transformer, its MoE layer, and published shapes."""

from moebench.models.blocks import Block, Mlp, RoutedBlock, make_block, mlp_or_experts, through
from moebench.models.moe import Experts, MoE
from moebench.models.presets import SIZES, Preset, Size, describe, moe_blocks, names, preset
from moebench.models.two_towers import TextConfig, TextTower, TwoTowers, TwoTowersConfig, text_preset
from moebench.models.vit import Vit
from moebench.models.vit_config import VitConfig

__all__ = [
    "SIZES",
    "Block",
    "Experts",
    "Mlp",
    "MoE",
    "Preset",
    "RoutedBlock",
    "Size",
    "TextConfig",
    "TextTower",
    "TwoTowers",
    "TwoTowersConfig",
    "Vit",
    "VitConfig",
    "describe",
    "make_block",
    "mlp_or_experts",
    "moe_blocks",
    "names",
    "preset",
    "text_preset",
    "through",
]
