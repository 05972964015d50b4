"""The shared ViT written again in PyTorch, as a source of its own for FLOPs: shapes only matter, weights do not.

Each part of the model is a module of the part's name, so that counts by module are counts by part.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from moebench.models import VitConfig

SOFT = ("soft", "soft-uniform", "uniform-soft", "uniform")
WITHOUT_CHOICES = ("experts-choice", "mixture-of-depths")
ANY_NUMBER = ("relu", "threshold", "expert-race")
"""Routers of which a token may take all experts."""


def weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, 0.1))


class Embed(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.patch, self.class_token = config.preset.patch, config.preset.class_token
        self.projection = nn.Linear(config.channels * self.patch**2, config.preset.size.width)
        self.positions = weights(config.tokens, config.preset.size.width)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = functional.unfold(images, self.patch, stride=self.patch).transpose(1, 2)
        tokens = self.projection(patches)
        if self.class_token:
            tokens = functional.pad(tokens, (0, 0, 1, 0))
        return tokens + self.positions


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            each(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.query, self.key, self.value)
        )
        shares = torch.softmax(q @ k.transpose(-1, -2), -1)
        return self.out((shares @ v).transpose(1, 2).flatten(-2))


class Mlp(nn.Module):
    def __init__(self, dim: int, mlp: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(dim, mlp), nn.Linear(mlp, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(functional.gelu(self.hidden(x), approximate="tanh"))


class Experts(nn.Module):
    def __init__(self, experts: int, dim: int, mlp: int) -> None:
        super().__init__()
        self.kernel_in, self.kernel_out = weights(experts, dim, mlp), weights(experts, mlp, dim)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows by expert; or rows that meet one expert each, of which the first one's matrices stand for all."""
        if rows.ndim == 2:
            hidden = functional.gelu(torch.mm(rows, self.kernel_in[0]), approximate="tanh")
            return torch.mm(hidden, self.kernel_out[0])
        return torch.bmm(functional.gelu(torch.bmm(rows, self.kernel_in)), self.kernel_out)


class MergedExperts(Experts):
    """The experts' kernels in a weighted sum, for each group of tokens its own."""

    def forward(self, tokens: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        kernels = [torch.mm(shares, each.flatten(1)).unflatten(1, each.shape[1:]) for each in self.parameters()]
        return torch.bmm(functional.gelu(torch.bmm(tokens, kernels[0])), kernels[1])


class Router(nn.Module):
    """The products of a gate: logits of experts or slots, and what experts that are no MLPs need."""

    def __init__(self, dim: int, outputs: int, constants: int) -> None:
        super().__init__()
        self.kernel = weights(dim, outputs) if outputs else None
        self.mix, self.constant = (weights(dim, 2 * constants), weights(constants, dim)) if constants else (None, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.constant is not None:
            beside = (x @ self.mix)[..., : len(self.constant)] @ self.constant
            x = x + 0 * beside
        return torch.zeros(*x.shape[:-1], 1) if self.kernel is None else x @ self.kernel


class Product(nn.Module):
    """weights[group, a, b] and rows[group, b, dim] to [group, a, dim]."""

    def forward(self, left: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.bmm(left, rows)


def logit_columns(kind: str, options: Mapping[str, Any], slots: int) -> int:
    """Columns of the gate's kernel."""
    experts: int = options["experts"]
    if kind in ("identity", "uniform", "oracle"):
        return 0
    if kind == "hash":
        return 12 if options.get("hash_of") == "content" else 0
    if kind in SOFT:
        return experts * slots
    return experts + (4 if kind == "zero-experts" else 0)


class Moe(nn.Module):
    def __init__(self, config: VitConfig, slots: int) -> None:
        super().__init__()
        options: Mapping[str, Any] = config.router_options
        size = config.preset.size
        self.kind, self.group, self.slots = config.router, config.group_images, slots
        self.number = options["experts"]
        usual = "ragged" if self.kind in ("dropless", "loss-free", "quantile") else "gather"
        self.dispatch = options.get("dispatch", usual)
        two = 2 if self.kind in ("gshard", "zero-experts") else 1
        self.top_k = self.number if self.kind in ANY_NUMBER else options.get("top_k", two)
        columns, constants = logit_columns(self.kind, options, slots), 2 if self.kind == "zero-experts" else 0
        self.router = Router(size.width, columns, constants)
        self.dispatch_combine = Product()
        kind = MergedExperts if self.kind == "smear" else Experts
        self.experts = kind(self.number, size.width, size.mlp)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.reshape(-1, self.group * x.shape[1], x.shape[2])
        if self.kind == "smear":
            return self.experts(tokens, torch.softmax(self.router(tokens.mean(1)), -1)).reshape(x.shape)
        logits = self.router(tokens)
        if self.kind == "identity":
            return self.through(tokens).reshape(x.shape)
        if self.kind in SOFT:
            logits = logits.expand(-1, -1, self.number * self.slots)
            return self.mixed(tokens, torch.softmax(logits, 1), torch.softmax(logits, -1)).reshape(x.shape)
        # Which token fills which slot is no matter of FLOPs: the first ones do.
        rows = self.number * self.slots
        if self.dispatch == "ragged" and self.kind not in WITHOUT_CHOICES:
            rows = min(rows, tokens.shape[1] * self.top_k)
        token = torch.arange(rows).expand(tokens.shape[0], -1) % tokens.shape[1]
        weight = torch.softmax(logits, -1).sum(-1).gather(1, token)
        if self.dispatch == "einsum":
            dispatch = functional.one_hot(token, tokens.shape[1]).to(x.dtype).transpose(1, 2)
            return self.mixed(tokens, dispatch, dispatch * weight[:, None]).reshape(x.shape)
        places = token[..., None].expand(-1, -1, x.shape[2])
        outputs = self.through(tokens.gather(1, places)) * weight[..., None]
        return torch.zeros_like(tokens).scatter_add(1, places, outputs).reshape(x.shape)

    def mixed(self, tokens: torch.Tensor, dispatch: torch.Tensor, combine: torch.Tensor) -> torch.Tensor:
        outputs = self.through(self.dispatch_combine(dispatch.transpose(1, 2), tokens))
        return self.dispatch_combine(combine, outputs)

    def through(self, slots: torch.Tensor) -> torch.Tensor:
        if self.dispatch == "ragged":
            return self.experts(slots.flatten(0, 1)).reshape(slots.shape)
        by_expert = slots.unflatten(1, (self.number, -1)).transpose(0, 1)
        return self.experts(by_expert.flatten(1, 2)).reshape(by_expert.shape).transpose(0, 1).flatten(1, 2)


class Block(nn.Module):
    def __init__(self, config: VitConfig, routed: bool, slots: int) -> None:
        super().__init__()
        size = config.preset.size
        self.norm_attention, self.norm_mlp = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attention = Attention(size.width, size.heads)
        self.has_experts = routed
        layer = Moe(config, slots) if self.has_experts else Mlp(size.width, size.mlp)
        self.add_module("moe" if self.has_experts else "mlp", layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + (self.moe if self.has_experts else self.mlp)(self.norm_mlp(x))


class RoutedBlock(nn.Module):
    """A block that the first tokens of each image go through, and the others past it."""

    def __init__(self, config: VitConfig, slots: int) -> None:
        super().__init__()
        self.slots, self.einsum = slots, config.router_options.get("dispatch") == "einsum"
        self.router, self.dispatch_combine = Router(config.preset.size.width, 1, 0), Product()
        self.block = Block(config, False, slots)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.router(x)[:, : self.slots]
        if self.einsum:
            dispatch = functional.one_hot(torch.arange(self.slots), x.shape[1]).to(x.dtype).expand(len(x), -1, -1)
            inside = self.dispatch_combine(dispatch, x)
            combine = (dispatch * weight).transpose(1, 2)
            return x + self.dispatch_combine(combine, self.block(inside) - inside)
        inside = x[:, : self.slots]
        added = functional.pad((self.block(inside) - inside) * weight, (0, 0, 0, x.shape[1] - self.slots))
        return x + added


class Head(nn.Module):
    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.preset.size.width
        self.pre_logits = nn.Linear(width, width) if config.preset.class_token else None
        self.classes = nn.Linear(width, config.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classes(x.mean(1) if self.pre_logits is None else torch.tanh(self.pre_logits(x[:, 0])))


class Twin(nn.Module):
    """The ViT of a configuration whose MoE layers have `slots` for each expert."""

    def __init__(self, config: VitConfig, slots: int) -> None:
        super().__init__()

        def block(number: int) -> nn.Module:
            routed = number in config.moe_blocks and config.router != "dense"
            if routed and config.router == "mixture-of-depths":
                return RoutedBlock(config, slots)
            return Block(config, routed, slots)

        self.embed = Embed(config)
        self.blocks = nn.Sequential(*map(block, range(config.preset.size.layers)))
        self.norm, self.head = nn.LayerNorm(config.preset.size.width), Head(config)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.embed(images))))
