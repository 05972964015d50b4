"""What a model costs: parameters, and FLOPs by part in closed form; a multiply-add is 2 FLOPs.

Matrix products are counted and the weighting of gathered rows; element-wise work (norms, softmaxes, GELU, additions)
is not, as in published counts.
"""

from dataclasses import astuple, dataclass, fields, replace

import jax
import jax.numpy as jnp
from flax import nnx

from moebench.models import Experts, Vit, VitConfig, mlp_or_experts
from moebench.models.rngs import rngs
from moebench.routers import Router, create, slots_per_expert


@dataclass(frozen=True)
class Parts:
    """FLOPs by part of the model; NaN where a router states no closed form."""

    embed: float
    attention: float
    mlp: float
    """MLPs of the blocks without experts."""
    router: float
    """Routing logits."""
    dispatch_combine: float
    """Moving tokens to slots and back."""
    experts: float
    """The experts' MLPs on all slots, empty ones included."""
    head: float

    @property
    def total(self) -> float:
        """All parts together."""
        return float(sum(astuple(self)))


PARTS = tuple(field.name for field in fields(Parts))
MOVING = "dispatch_combine"
"""The part whose element-wise work counts as well: sums of gathered rows may be all that it does."""


@dataclass(frozen=True)
class Shapes:
    """The sizes of one MoE layer, for one group of images."""

    group_tokens: int
    slots_per_expert: int
    total_slots: int


def shapes(config: VitConfig, router: Router) -> Shapes:
    """Slots of a model's MoE layers.

    Raises:
        BadInput: options that do not fit that many tokens.
    """
    tokens = config.tokens * config.group_images
    slots = slots_per_expert(config.router, tokens, **config.router_options)
    return Shapes(group_tokens=tokens, slots_per_expert=slots, total_slots=slots * router.experts)


def padding(config: VitConfig, router: Router) -> float:
    """Share of the slots that stay empty however the tokens choose, even if all their choices are served."""
    layer, choices = shapes(config, router), 0

    def route() -> jax.Array:
        nonlocal choices
        tokens = jnp.zeros((1, layer.group_tokens, 1))
        made = create(config.router, dim=1, rngs=nnx.Rngs(0), **config.router_options)
        routing = made(tokens, noise_key=jax.random.key(0))
        choices = getattr(routing, "choices", 0)  # routings of other kinds fill every slot
        return routing.gates

    jax.eval_shape(route)
    return max(0.0, 1 - layer.group_tokens * choices / layer.total_slots) if choices else 0.0


def forward_flops(config: VitConfig, router: Router) -> Parts:
    """Closed form of the forward pass for one image, with the slots that the router has in training."""
    size, tokens, class_token = config.preset.size, config.tokens, config.preset.class_token
    layer, routed = shapes(config, router), len(config.moe_blocks)
    routing = router.flops(layer.group_tokens, size.width)
    per_image = routed / config.group_images
    mlp_row = 2 * 2 * size.width * size.mlp
    rows = layer.total_slots if routing is None or routing.expert_rows is None else routing.expert_rows
    whole = router.routes_through == "block"  # only what is in the slots meets the block's attention and MLP
    inside = layer.total_slots if whole else tokens

    def attention(tokens: int) -> int:
        return 2 * (4 * tokens * size.width**2 + 2 * tokens**2 * size.width)

    return Parts(
        embed=2 * (tokens - class_token) * config.channels * config.preset.patch**2 * size.width,
        attention=(size.layers - routed) * attention(tokens) + routed * attention(inside),
        mlp=((size.layers - routed) * tokens + routed * inside * whole) * mlp_row,
        router=per_image * routing.router if routing else float("nan"),
        dispatch_combine=per_image * routing.dispatch_combine if routing else float("nan"),
        experts=0 if whole else per_image * rows * mlp_row,
        head=2 * size.width * (config.classes + class_token * size.width),
    )


def train_flops(config: VitConfig, router: Router) -> Parts:
    """Closed form of a training step for one image: each product forward, and backward for both its factors.

    The images are no parameter, so that the embedding is spared one of them.
    """
    forward = forward_flops(config, router)
    routing = router.flops(shapes(config, router).group_tokens, config.preset.size.width)
    times = {"embed": 2.0, MOVING: 1 + (routing.backward if routing else 2.0)}
    return Parts(**{part: times.get(part, 3.0) * getattr(forward, part) for part in PARTS})


def printed_train_flops(forward: Parts, train: Parts) -> float:
    """A training cost as the Soft MoE paper prints it (2308.00951).

    There a multiply-add of training is one FLOP, one of inference two, and a gradient for the images is counted in.
    """
    return (train.total + forward.embed) / 2


def compiler_flops(program: jax.stages.Compiled) -> float | None:
    """FLOPs of a program as its compiler counts them, element-wise work included; None where it does not say."""
    analysis = program.cost_analysis()
    flops = (analysis or {}).get("flops", -1.0)
    return float(flops) if flops > 0 else None


@dataclass(frozen=True)
class Parameters:
    """Parameters of a model, and those that one token can meet."""

    total: int
    active: int


def count_parameters(config: VitConfig, router: Router) -> Parameters:
    """From shapes alone, of one block of each kind: all of a kind are alike.

    A token meets its top k experts; where tokens do not choose, as many experts as there are slots for a token.
    """
    size, with_experts = config.preset.size, len(config.moe_blocks)
    two_blocks = replace(config.preset, size=replace(size, layers=2))
    small = replace(config, preset=two_blocks, moe_blocks=(1,) if with_experts else ())
    model = nnx.eval_shape(lambda: Vit(small, rngs=rngs(0)))
    dense, routed = map(_size, model.blocks)
    total = _size(model) - dense - routed + (size.layers - with_experts) * dense + with_experts * routed
    return Parameters(total=total, active=round(total - with_experts * _not_met(model, config, router)))


def count_layer_parameters(config: VitConfig, router: Router) -> Parameters:
    """Likewise, of one MoE layer alone, or of the MLP where the router is `dense`."""
    layer = nnx.eval_shape(lambda: mlp_or_experts(config, config.router != "dense", rngs=rngs(0)))
    total = _size(layer)
    return Parameters(total=total, active=round(total - _not_met(layer, config, router)))


def _not_met(module: nnx.Module, config: VitConfig, router: Router) -> float:
    """Parameters of the experts of a module with one MoE layer that a token does not meet."""
    layer = shapes(config, router)
    met = router.options.get("top_k") or layer.total_slots / layer.group_tokens
    experts = sum(_size(inner) for _, inner in nnx.iter_graph(module) if isinstance(inner, Experts))
    return experts * (1 - min(met / router.experts, 1))


def _size(module: nnx.Module) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
