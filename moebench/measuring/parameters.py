"""Count a model's parameters from shapes alone."""

from dataclasses import dataclass, replace

import jax
from flax import nnx

from moebench import routers
from moebench.measuring.flops.closed_form import shapes
from moebench.models import Experts, TextConfig, TextTower, Vit, VitConfig, mlp_or_experts
from moebench.models.rngs import rngs
from moebench.routers import Router


@dataclass(frozen=True)
class Parameters:
    """Parameters of a model: all, and those that one token meets."""

    total: int
    active: int


def count_parameters(config: VitConfig, router: Router) -> Parameters:
    """Return the parameters of a model.

    One block of each kind is counted, since all blocks of a kind are alike.

    A token meets its top k experts. If experts choose their tokens, or slots contain mixtures, a token meets as many
    experts as there are slots for a token, capacity factor included.

    Args:
        config: the model.
        router: the model's router, of any width.
    """
    size, with_experts = config.preset.size, len(config.moe_blocks)
    two_blocks = replace(config.preset, size=replace(size, layers=2))
    small = replace(config, preset=two_blocks, moe_blocks=(1,) if with_experts else ())
    model = nnx.eval_shape(lambda: Vit(small, rngs=rngs(0)))
    dense, routed = map(_size, model.blocks)
    total = _size(model) - dense - routed + (size.layers - with_experts) * dense + with_experts * routed
    return Parameters(total=total, active=round(total - with_experts * _not_met(model, config, router)))


def count_text_parameters(config: TextConfig) -> Parameters:
    """Return the parameters of a text tower.

    A token meets one row of the embedding, and the embedding counts whole.

    Args:
        config: the text tower.
    """
    tower = nnx.eval_shape(lambda: TextTower(config, rngs=rngs(0)))
    total, with_experts = _size(tower), len(config.moe_blocks)
    not_met = _not_met(tower, config, text_router(config)) if with_experts else 0
    return Parameters(total=total, active=round(total - not_met))


def text_router(config: TextConfig) -> Router:
    """Return the router of a text tower for tokens of width 1.

    The router's parameters are shapes.
    """
    made: Router = nnx.eval_shape(
        lambda: routers.create(config.router, dim=1, rngs=nnx.Rngs(0), **config.router_options)
    )
    return made


def count_layer_parameters(config: VitConfig, router: Router) -> Parameters:
    """Return the parameters of one MoE layer alone, or of one dense MLP.

    The MLP counts if the router is `dense`.

    Args:
        config: the model of the layer.
        router: the layer's router, of any width.
    """
    layer = nnx.eval_shape(lambda: mlp_or_experts(config, config.router != "dense", rngs=rngs(0)))
    total = _size(layer)
    return Parameters(total=total, active=round(total - _not_met(layer, config, router)))


def _not_met(module: nnx.Module, config: VitConfig, router: Router) -> float:
    """Return the expert parameters of a module that one token does not meet.

    The module has one MoE layer.
    """
    layer = shapes(config, router)
    met = router.experts_per_token(layer.group_tokens, layer.total_slots)
    experts = sum(_size(inner) for _, inner in nnx.iter_graph(module) if isinstance(inner, Experts))
    return experts * (1 - met / router.experts)


def _size(module: nnx.Module) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
