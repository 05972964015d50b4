"""Backbones by name: published sizes at any patch, and a tiny one for CPUs."""

from dataclasses import dataclass

from moebench.errors import BadInput, unknown


@dataclass(frozen=True)
class Size:
    """Shape of a vision transformer, apart from its patch."""

    width: int
    layers: int
    mlp: int
    heads: int


SIZES: dict[str, Size] = {
    "mu": Size(width=64, layers=4, mlp=256, heads=2),
    # 2010.11929, table 1, and 2106.04560, table 2.
    "ti": Size(width=192, layers=12, mlp=768, heads=3),
    "s": Size(width=384, layers=12, mlp=1536, heads=6),
    "b": Size(width=768, layers=12, mlp=3072, heads=12),
    "l": Size(width=1024, layers=24, mlp=4096, heads=16),
    "h": Size(width=1280, layers=32, mlp=5120, heads=16),
}


@dataclass(frozen=True)
class Preset:
    """A backbone: a size and the side of its square patches in pixels."""

    size: Size
    patch: int


def preset(name: str) -> Preset:
    """The backbone called SIZE/PATCH, such as s/16.

    Raises:
        BadInput: unknown size, or no positive patch.
    """
    size, _, patch = name.lower().partition("/")
    if size not in SIZES:
        raise unknown("model", name, (f"{known}/{patch or 16}" for known in SIZES), key="model")
    if not patch.isdecimal() or int(patch) < 1:
        raise BadInput(f"model '{name}' has no patch size: write SIZE/PATCH, such as {size}/16.", key="model")
    return Preset(SIZES[size], int(patch))


def names() -> list[str]:
    """The sizes, each at a patch that is common for it; any other patch will do as well."""
    return ["mu/2", "ti/16", "s/32", "s/16", "s/14", "s/8", "b/32", "b/16", "l/32", "l/16", "h/14"]


def describe(name: str) -> str:
    """The shape in one line."""
    shape = preset(name)
    size = shape.size
    return (
        f"ViT, width {size.width}, {size.layers} blocks, MLP {size.mlp}, {size.heads} heads, "
        f"patches of {shape.patch} × {shape.patch} pixels"
    )


def moe_blocks(rule: str, layers: int) -> tuple[int, ...]:
    """Numbers of the blocks that hold experts, from 0.

    Args:
        rule: "last-half"; "every-2", the odd blocks; "last-n:K", the last K of the odd blocks (2106.05974); or
            block numbers with commas between them.
        layers: blocks of the model.

    Raises:
        BadInput: no such rule, or a block that the model does not have.
    """
    odd = tuple(range(1, layers, 2))
    if rule == "last-half":
        return tuple(range(layers - layers // 2, layers))
    if rule == "every-2":
        return odd
    kind, _, amount = rule.partition(":")
    if kind == "last-n" and amount.isdecimal() and 1 <= int(amount) <= len(odd):
        return odd[-int(amount) :]
    if all(part.strip().isdecimal() for part in rule.split(",")):
        blocks = tuple(sorted({int(part) for part in rule.split(",")}))
        if blocks[-1] < layers:
            return blocks
    raise BadInput(
        f"moe_layers '{rule}' does not fit {layers} blocks: use last-half, every-2, last-n:K with K from 1 to "
        f"{len(odd)}, or block numbers from 0 to {layers - 1} such as {layers - 2},{layers - 1}.",
        key="moe_layers",
    )
