"""Count FLOPs by part of a model in closed form, from shapes alone.

A multiply-add is 2 FLOPs. Matrix products and the weighting of gathered rows are counted; element-wise work (norms,
softmaxes, GELU, additions) is not, as in published counts.
"""

from dataclasses import astuple, dataclass, fields

from moebench.models import VitConfig
from moebench.routers import Router, SparseRouter, slots_of


@dataclass(frozen=True)
class Parts:
    """FLOPs by part of the model; NaN if a router states no closed form."""

    embed: float
    attention: float
    mlp: float
    """FLOPs of the MLPs of the blocks without experts."""
    router: float
    """FLOPs of the routing logits."""
    dispatch_combine: float
    """FLOPs of moving tokens to slots and back."""
    experts: float
    """FLOPs of the experts' MLPs, empty slots included unless the dispatch leaves them out."""
    head: float

    @property
    def total(self) -> float:
        """Sum over all parts."""
        return float(sum(astuple(self)))


PARTS = tuple(field.name for field in fields(Parts))
MOVING = "dispatch_combine"
"""Part whose element-wise work counts as well, since sums of gathered rows may be all of its work."""
ROUTED = ("router", MOVING, "experts")
"""Parts of an MoE layer that replaces an MLP."""


@dataclass(frozen=True)
class Shapes:
    """Sizes of one MoE layer for one group of images."""

    group_tokens: int
    slots_per_expert: int
    total_slots: int
    eval_slots_per_expert: int
    eval_total_slots: int

    def slots(self, training: bool) -> int:
        """Return the slots of all experts in training or in evaluation."""
        return self.total_slots if training else self.eval_total_slots


def shapes(config: VitConfig, router: Router) -> Shapes:
    """Return tokens and slots of a model's MoE layers.

    Args:
        config: the model.
        router: the model's router, of any width.

    Raises:
        BadInput: options that do not fit that many tokens.
    """
    tokens = config.tokens * config.group_images
    training, evaluation = (
        slots_of(router, config.router, config.router_options, tokens, training=phase) for phase in (True, False)
    )
    return Shapes(
        group_tokens=tokens,
        slots_per_expert=training,
        total_slots=training * router.experts,
        eval_slots_per_expert=evaluation,
        eval_total_slots=evaluation * router.experts,
    )


def expert_rows(layer: Shapes, router: Router, width: int, *, training: bool) -> int:
    """Return the rows that an MoE layer's experts compute for one group.

    Empty slots are included.

    Args:
        layer: sizes of the layer.
        router: the layer's router.
        width: width of the tokens.
        training: whether slots are those of training or of evaluation.
    """
    routing = router.flops(layer.group_tokens, width, training=training)
    return layer.slots(training) if routing is None or routing.expert_rows is None else routing.expert_rows


def padding(config: VitConfig, router: Router, *, training: bool = True) -> float:
    """Return the share of experts' rows that stay empty even if all choices are served.

    Args:
        config: the model.
        router: the model's router.
        training: whether slots and choices are those of training or of evaluation.
    """
    layer = shapes(config, router)
    rows = expert_rows(layer, router, config.preset.size.width, training=training)
    # A router without choices, soft or with experts that choose, fills every slot.
    choices = router.most_choices(training) if isinstance(router, SparseRouter) else 0
    return max(0.0, 1 - layer.group_tokens * choices / rows) if choices else 0.0


def forward_flops(config: VitConfig, router: Router, *, training: bool = True) -> Parts:
    """Return the FLOPs of the forward pass for one image.

    Args:
        config: the model.
        router: the model's router.
        training: whether slots and choices are those of training or of evaluation.
    """
    size, tokens, class_token = config.preset.size, config.tokens, config.preset.class_token
    layer, routed = shapes(config, router), len(config.moe_blocks)
    routing = router.flops(layer.group_tokens, size.width, training=training)
    per_image = routed / config.group_images
    rows = expert_rows(layer, router, size.width, training=training)
    whole = router.routes_through == "block"  # attention and MLP of a routed block get the tokens in slots alone
    inside = layer.slots(training) if whole else tokens
    return Parts(
        embed=2 * (tokens - class_token) * config.channels * config.preset.patch**2 * size.width,
        attention=(size.layers - routed) * _attention(config, tokens) + routed * _attention(config, inside),
        mlp=((size.layers - routed) * tokens + routed * inside * whole) * _mlp_row(config),
        router=per_image * routing.router if routing else float("nan"),
        dispatch_combine=per_image * routing.dispatch_combine if routing else float("nan"),
        experts=0 if whole else per_image * rows * _mlp_row(config),
        head=2 * size.width * (config.classes + class_token * size.width) if config.classes else 0,
    )


def _attention(config: VitConfig, tokens: int) -> int:
    """Return the FLOPs of one block's attention for one image of so many tokens."""
    width = config.preset.size.width
    return 2 * (4 * tokens * width**2 + 2 * tokens**2 * width)


def _mlp_row(config: VitConfig) -> int:
    """Return the FLOPs of an MLP for one token."""
    return 2 * 2 * config.preset.size.width * config.preset.size.mlp


def routed_share(config: VitConfig, router: Router, parts: Parts) -> float:
    """Return the share of a forward pass's FLOPs in MoE layers or routed blocks.

    The share is 0 for a dense model.

    Args:
        config: the model.
        router: the model's router.
        parts: FLOPs of the forward pass by part, of any number of images, from any counter.
    """
    if config.router == "dense":
        return 0.0
    if router.routes_through == "mlp":
        return float(sum(getattr(parts, part) for part in ROUTED)) / parts.total
    # Attention and MLPs are in routed blocks and in others: only those of the routed blocks count.
    tokens, slots = config.tokens, shapes(config, router).eval_total_slots
    routed = len(config.moe_blocks)
    inside = routed * (_attention(config, slots) + slots * _mlp_row(config))
    outside = (config.preset.size.layers - routed) * (_attention(config, tokens) + tokens * _mlp_row(config))
    blocks = (parts.attention + parts.mlp) * inside / (inside + outside)
    return (parts.router + parts.dispatch_combine + blocks) / parts.total


def train_flops(config: VitConfig, router: Router) -> Parts:
    """Return the FLOPs of a training step for one image.

    Each product is computed forward, and backward for both its factors. The images are no parameter, so that the
    embedding has one backward product only.

    Args:
        config: the model.
        router: the model's router.
    """
    forward = forward_flops(config, router)
    routing = router.flops(shapes(config, router).group_tokens, config.preset.size.width)
    times = {"embed": 2.0}
    if routing:
        times |= {MOVING: 1 + routing.backward, "router": 1 + routing.router_backward}
    return Parts(**{part: times.get(part, 3.0) * getattr(forward, part) for part in PARTS})


def printed_train_flops(forward: Parts, train: Parts) -> float:
    """Return a training cost as the Soft MoE paper prints it (2308.00951).

    In print a multiply-add of training is one FLOP, a multiply-add of inference two, and a gradient for the images is
    counted in.

    Args:
        forward: FLOPs of a forward pass by part.
        train: FLOPs of a training step by part, for as many images.
    """
    return (train.total + forward.embed) / 2
