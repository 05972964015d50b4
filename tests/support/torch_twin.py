"""The shared ViT written again in PyTorch, as a source of its own for FLOPs: shapes only matter, weights do not.

Each part of the model is a module of the part's name, so that counts by module are counts by part.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from moebench.models import VitConfig


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
        return torch.bmm(functional.gelu(torch.bmm(rows, self.kernel_in)), self.kernel_out)


class Router(nn.Module):
    """Logits of a linear gate, or of Soft MoE's slots."""

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.kernel = weights(dim, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.kernel


class Product(nn.Module):
    """weights[group, a, b] and rows[group, b, dim] to [group, a, dim]."""

    def forward(self, left: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.bmm(left, rows)


class Moe(nn.Module):
    def __init__(self, config: VitConfig, slots: int) -> None:
        super().__init__()
        options: Mapping[str, Any] = config.router_options
        size = config.preset.size
        self.kind, self.group, self.slots = config.router, config.group_images, slots
        self.number, self.gathers = options["experts"], options.get("dispatch", "gather") == "gather"
        self.top_k = options.get("top_k", 1)
        self.router = Router(size.width, self.number * slots if self.kind == "soft" else self.number)
        self.dispatch_combine = Product()
        self.experts = Experts(self.number, size.width, size.mlp)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.reshape(-1, self.group * x.shape[1], x.shape[2])
        logits = self.router(tokens)
        if self.kind == "soft":
            return self.mixed(tokens, torch.softmax(logits, 1), torch.softmax(logits, -1)).reshape(x.shape)
        # Which token fills which slot is no matter of FLOPs: the first ones do.
        token = torch.arange(self.number * self.slots).expand(tokens.shape[0], -1) % tokens.shape[1]
        weight = torch.softmax(logits, -1).sum(-1).gather(1, token)
        if not self.gathers:
            dispatch = functional.one_hot(token, tokens.shape[1]).to(x.dtype).transpose(1, 2)
            return self.mixed(tokens, dispatch, dispatch * weight[:, None]).reshape(x.shape)
        rows = token[..., None].expand(-1, -1, x.shape[2])
        outputs = self.through(tokens.gather(1, rows)) * weight[..., None]
        return torch.zeros_like(tokens).scatter_add(1, rows, outputs).reshape(x.shape)

    def mixed(self, tokens: torch.Tensor, dispatch: torch.Tensor, combine: torch.Tensor) -> torch.Tensor:
        outputs = self.through(self.dispatch_combine(dispatch.transpose(1, 2), tokens))
        return self.dispatch_combine(combine, outputs)

    def through(self, slots: torch.Tensor) -> torch.Tensor:
        by_expert = slots.unflatten(1, (self.number, -1)).transpose(0, 1)
        return self.experts(by_expert.flatten(1, 2)).reshape(by_expert.shape).transpose(0, 1).flatten(1, 2)


class Block(nn.Module):
    def __init__(self, config: VitConfig, number: int, slots: int) -> None:
        super().__init__()
        size = config.preset.size
        self.norm_attention, self.norm_mlp = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attention = Attention(size.width, size.heads)
        self.has_experts = number in config.moe_blocks and config.router != "dense"
        layer = Moe(config, slots) if self.has_experts else Mlp(size.width, size.mlp)
        self.add_module("moe" if self.has_experts else "mlp", layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + (self.moe if self.has_experts else self.mlp)(self.norm_mlp(x))


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
        self.embed = Embed(config)
        self.blocks = nn.Sequential(*(Block(config, n, slots) for n in range(config.preset.size.layers)))
        self.norm, self.head = nn.LayerNorm(config.preset.size.width), Head(config)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.embed(images))))
