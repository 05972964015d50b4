"""Backbones by name: published sizes and models, and a tiny one for CPUs.

Published sizes have any patch, and published models have their routing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from moebench.errors import BadInput, unknown


@dataclass(frozen=True)
class Size:
    """Shape of a vision transformer, apart from its patch."""

    width: int
    layers: int
    mlp: int
    heads: int


SIZES: dict[str, Size] = {
    # For diagnostic tasks: one block, so that the experts of this block determine the model's output.
    "pico": Size(width=32, layers=1, mlp=128, heads=2),
    "nano": Size(width=32, layers=2, mlp=256, heads=2),
    "mu": Size(width=64, layers=4, mlp=256, heads=2),
    # 2010.11929, table 1, and 2106.04560, table 2.
    "ti": Size(width=192, layers=12, mlp=768, heads=3),
    "s": Size(width=384, layers=12, mlp=1536, heads=6),
    "b": Size(width=768, layers=12, mlp=3072, heads=12),
    "l": Size(width=1024, layers=24, mlp=4096, heads=16),
    "h": Size(width=1280, layers=32, mlp=5120, heads=16),
}
_VMOE_SIZES: dict[str, Size] = {
    **{name: SIZES[name] for name in ("b", "l", "h")},
    # 2106.05974: its S is not the one above.
    "s": Size(width=512, layers=8, mlp=2048, heads=8),
    "15b": Size(width=1408, layers=48, mlp=6400, heads=16),
}


@dataclass(frozen=True)
class Preset:
    """Backbone: size, side of the square patches, and the rest of its published model.

    The side is in pixels. Image size and classes come from the data set; the values here serve for counting without a
    data set. `router` and `options` are the published routing: a cell that leaves an option out gets the preset's, if
    its router has it.
    """

    size: Size
    patch: int
    class_token: bool = False
    """Whether the head reads a class token through a layer of the model's width, and not the tokens' mean."""
    router: str = "dense"
    options: Mapping[str, Any] = field(default_factory=dict)
    moe_layers: str = "last-half"
    image_size: int = 224
    classes: int = 29_593
    """Classes of JFT-3B (2308.00951); JFT-300M has 18,291 (2106.05974)."""
    position_init: float = 0.02
    """Standard deviation of the initial position embeddings; the papers' 0.02 (2010.11929, public code)."""


@dataclass(frozen=True)
class _Family:
    """Published models that share everything but their size: names are PREFIX-SIZE/PATCH."""

    sizes: Mapping[str, Size]
    listed: tuple[str, ...]
    """Printed sizes and patches."""
    about: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Values of the preset."""


_COMMON = ("s/32", "b/32", "b/16", "l/32", "l/16", "h/14")
_FAMILIES: dict[str, _Family] = {
    "": _Family(SIZES, ("pico/4", "nano/4", "mu/2", "ti/16", "s/32", "s/16", "s/14", "s/8", *_COMMON[1:]), "ViT"),
    "soft": _Family(
        {name: SIZES[name] for name in ("s", "b", "l", "h")},
        ("s/32", "s/16", "s/14", "s/8", *_COMMON[1:]),
        "Soft MoE of 2308.00951",
        {"router": "soft"},
    ),
    "vmoe": _Family(
        _VMOE_SIZES,
        (*_COMMON, "15b/14"),
        "V-MoE of 2106.05974",
        {
            "class_token": True,
            "router": "tokens-choice",
            "options": MappingProxyType({"experts": 32, "top_k": 2, "capacity_factor": 1.05}),
            "moe_layers": "every-2",
            "classes": 18_291,
        },
    ),
}
# 2308.00951: 128 at /16 and 256 at /14 in tables 1 and 8, 64 for B/32 in table 9.
_SOFT_EXPERTS = {32: 64, 16: 128, 14: 256}


def preset(name: str) -> Preset:
    """Return the backbone SIZE/PATCH, such as s/16, or the published model FAMILY-SIZE/PATCH, such as soft-b/16.

    Raises:
        BadInput: unknown model, or no positive patch.
    """
    stem, _, patch = name.lower().partition("/")
    known = {_joined(prefix, size): (prefix, size) for prefix, family in _FAMILIES.items() for size in family.sizes}
    if stem not in known:
        patch = patch or stem.lstrip("-abcdefghijklmnopqrstuvwxyz") or "16"
        near = (f"{each}/{patch}" for each in known)
        raise unknown("model", name, near, listing="moebench list models", key="model")
    prefix, size = known[stem]
    if not patch and stem == "vmoe-15b":  # published at one patch only, and named without the patch
        patch = "14"
    if not patch.isdecimal() or int(patch) < 1:
        raise BadInput(f"model '{name}' has no patch size: write SIZE/PATCH, such as {stem}/16.", key="model")
    values = dict(_FAMILIES[prefix].fixed)
    if prefix == "soft":
        values["options"] = MappingProxyType({"experts": _SOFT_EXPERTS.get(int(patch), 128)})
    if stem == "mu":  # image size of moebench's digits
        values |= {"image_size": 8, "classes": 10}
    if stem in ("pico", "nano"):  # image size of the diagnostic tasks and images of words
        values |= {"image_size": 32, "classes": 16}
    return Preset(_FAMILIES[prefix].sizes[size], int(patch), **values)


def names() -> list[str]:
    """Return the names of the models at their common patches; any other patch is possible."""
    return [_joined(prefix, model) for prefix, family in _FAMILIES.items() for model in family.listed]


def _joined(prefix: str, model: str) -> str:
    return f"{prefix}-{model}" if prefix else model


def describe(name: str) -> str:
    """Return the shape of a model in one line."""
    shape = preset(name)
    size = shape.size
    line = (
        f"width {size.width}, {size.layers} blocks, MLP {size.mlp}, {size.heads} heads, "
        f"patches of {shape.patch} × {shape.patch} pixels"
    )
    about = _FAMILIES[name.lower().rpartition("-")[0]].about
    if shape.router == "dense":
        return f"{about}, {line}"
    options = ",".join(f"{key}={value}" for key, value in shape.options.items())
    return f"{about}, {line}; {shape.router}[{options}] in {shape.moe_layers}"


def moe_blocks(rule: str, layers: int) -> tuple[int, ...]:
    """Return the numbers of the blocks that have experts, from 0.

    Args:
        rule: "last-half", at least one; "every-2", the odd blocks; "last-n:K", the last K of the odd blocks
            (2106.05974);
            or block numbers with commas between them.
        layers: blocks of the model.

    Raises:
        BadInput: the rule is unknown, or names a block that the model does not have.
    """
    odd = tuple(range(1, layers, 2))
    if rule == "last-half":
        return tuple(range(layers - max(1, layers // 2), layers))
    if rule == "every-2" and odd:
        return odd
    kind, _, amount = rule.partition(":")
    if kind == "last-n" and amount.isdecimal() and 1 <= int(amount) <= len(odd):
        return odd[-int(amount) :]
    if all(part.strip().isdecimal() for part in rule.split(",")):
        blocks = tuple(sorted({int(part) for part in rule.split(",")}))
        if blocks[-1] < layers:
            return blocks
    if layers == 1:
        raise BadInput(f"moe_layers '{rule}' does not fit 1 block: use last-half, or block number 0.", key="moe_layers")
    raise BadInput(
        f"moe_layers '{rule}' does not fit {layers} blocks: use last-half, every-2, last-n:K with K from 1 to "
        f"{len(odd)}, or block numbers from 0 to {layers - 1} such as {layers - 2},{layers - 1}.",
        key="moe_layers",
    )
