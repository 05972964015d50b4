"""Known variants of each routing strategy, as data.

A variant has the name of a changed rule, and public code with the changed rule.
"""

from dataclasses import dataclass

Setting = str | float | bool | None


@dataclass(frozen=True)
class Variant:
    """One rule of a layer, changed; `changes` are settings of `moebench.conform.reference`."""

    name: str
    says: str
    """End of the sentence "agrees if …"."""
    changes: tuple[tuple[str, Setting], ...]
    who: str = ""
    """Public code with this rule."""
    unused: tuple[str, ...] = ()
    """Weights without effect under this rule: a layer without these weights has the rule."""


@dataclass(frozen=True)
class Strategy:
    """A strategy that a layer may be compared with."""

    name: str
    family: str
    """soft, tokens (tokens choose experts) or experts (experts choose tokens)."""
    settings: tuple[tuple[str, Setting], ...] = ()
    """Settings in which the strategy differs from its family."""
    source: str = ""


STRATEGIES: dict[str, Strategy] = {
    each.name: each
    for each in (
        Strategy("soft", "soft", (), "2308.00951, section 2.1"),
        Strategy("tokens-choice", "tokens", (), "2106.05974, section 2"),
        Strategy("bpr", "tokens", (("order", "priority"),), "2106.05974, section 4"),
        Strategy("switch", "tokens", (("top_k", 1),), "2101.03961, section 2.2"),
        Strategy("gshard", "tokens", (("top_k", 2), ("renormalise", True)), "2006.16668, algorithm 1"),
        Strategy(
            "loss-free",
            "tokens",
            (("scores", "sigmoid"), ("renormalise", True), ("capacity_rule", "none"), ("use_bias", True)),
            "2408.15664, equation 3, with the weights of DeepSeek-V3",
        ),
        Strategy("dropless", "tokens", (("capacity_rule", "none"),), "2211.15841"),
        Strategy("experts-choice", "experts", (), "2202.09368, section 3.2"),
    )
}

_GELU = (
    Variant("exact-gelu", "GELU is exact (erf), not its tanh form", (("gelu", "erf"),), "PyTorch's nn.GELU()"),
    Variant("relu", "the experts' activation is ReLU", (("gelu", "relu"),), "Switch Transformer"),
    Variant("silu", "the experts' activation is SiLU", (("gelu", "silu"),)),
    Variant("no-expert-bias", "the experts have no biases", (("expert_bias", False),), unused=("bias_in", "bias_out")),
)
_CAPACITY = (
    Variant("no-capacity", "there is no capacity limit", (("capacity_rule", "none"),), "transformers, megablocks dMoE"),
    Variant("capacity-ceil", "capacity is rounded up", (("capacity_rule", "ceil"),), "vmoe with multiple 1"),
    Variant("capacity-floor", "capacity is rounded down", (("capacity_rule", "floor"),), "DeepSpeed"),
    Variant("capacity-vmoe", "capacity is ceil(S·k·C/E) to a multiple of 4", (("capacity_rule", "vmoe"),), "vmoe"),
    Variant("capacity-tutel", "capacity is k·int(C·ceil(S/E))", (("capacity_rule", "tutel"),), "tutel"),
    Variant("capacity-maxtext", "capacity is int(ceil(S·k/E)·C)", (("capacity_rule", "maxtext"),), "maxtext"),
    Variant("capacity-without-k", "capacity is round(C·S/E), without k", (("capacity_rule", "no-k"),)),
    Variant(
        "capacity-flaxformer",
        "capacity is round(C·S/E), without k and at least 4",
        (("capacity_rule", "no-k"), ("capacity_least", 4)),
        "flaxformer",
    ),
    Variant("capacity-without-k-floor", "capacity is int(C·S/E), without k", (("capacity_rule", "no-k-floor"),)),
    Variant(
        "capacity-mesh-tf",
        "capacity is int(C·S/E), without k and at least 4",
        (("capacity_rule", "no-k-floor"), ("capacity_least", 4)),
        "mesh-tf, mixture-of-experts, st-moe-pytorch",
    ),
    Variant("capacity-min-4", "capacity is at least 4", (("capacity_least", 4),)),
)
_TOKENS = (
    Variant("renormalised", "gates are renormalised over the k choices", (("renormalise", True),), "Mixtral, gshard"),
    Variant(
        "renormalised-at-1",
        "gates are renormalised at k = 1 as well, where each choice weighs 1",
        (("renormalise", True), ("renormalise_one", True)),
        "DeepSeek-V3 in transformers",
    ),
    Variant("not-renormalised", "gates are not renormalised over the k choices", (("renormalise", False),), "V-MoE"),
    Variant("softmax-after-top-k", "the softmax comes after top-k", (("scores", "softmax-after"),), "Mixtral"),
    Variant("sigmoid-scores", "gates are sigmoids of the logits", (("scores", "sigmoid"),), "DeepSeek-V3"),
    Variant("softmax-scores", "gates are a softmax of the logits", (("scores", "softmax"),), "V-MoE"),
    Variant("weight-one", "a choice weighs 1, not its gate", (("weights", "one"),)),
    Variant("token-major", "slots are taken token by token, not rank by rank", (("rank_major", False),), "megablocks"),
    Variant("array-order", "slots are taken in array order, not by priority", (("order", "array"),)),
    Variant("priority-order", "slots are taken by priority (BPR), not in array order", (("order", "priority"),)),
    Variant("priority-sum", "priority is the sum of the top k gates", (("order", "priority-sum"),), "vmoe, an option"),
    Variant(
        "dropped-renormalised",
        "gates are renormalised over the choices kept",
        (("renormalise_kept", True),),
        "gshard (flaxformer)",
    ),
    Variant(
        "negligible-choices",
        "choices with a gate below 1e-9 take no slot",
        (("least_gate", 1e-9),),
        "st-moe-pytorch with a threshold of 0",
    ),
    Variant("bias-in-weight", "the bias is part of a choice's weight", (("bias_in_weight", True),)),
    Variant("no-bias", "the bias is not used in choosing", (("use_bias", False),), unused=("bias",)),
    Variant("dropped-pass", "a dropped token passes through unchanged", (("dropped", "input"),)),
)
_EXPERTS = (
    Variant("softmax-over-tokens", "the softmax runs over tokens, not experts", (("softmax_axis", "tokens"),)),
    Variant("no-softmax", "logits are used without a softmax", (("softmax_axis", "none"),)),
    Variant("sigmoid-scores", "gates are sigmoids of the logits", (("softmax_axis", "sigmoid"),)),
    Variant("weight-one", "a choice weighs 1, not its gate", (("weights", "one"),)),
)
_SOFT = (
    Variant(
        "normalised-experts-input",
        "experts receive normalised tokens",
        (("experts_get", "normalised"),),
        "two popular PyTorch ports",
    ),
    Variant(
        "rms-experts-input",
        "experts receive tokens divided by their root mean square",
        (("experts_get", "rms"),),
        "soft-moe-pytorch",
    ),
    Variant("no-scale", "there is no learned scale", (("scale", False),), unused=("scale",)),
    Variant("tokens-not-normalised", "tokens are not normalised for the logits", (("normalise_tokens", "none"),)),
    Variant("phi-not-normalised", "phi is not normalised", (("normalise_phi", "none"),)),
    Variant(
        "no-normalisation",
        "neither tokens nor phi are normalised",
        (("normalise_tokens", "none"), ("normalise_phi", "none")),
    ),
    Variant("rms-tokens", "tokens are divided by their root mean square", (("normalise_tokens", "rms"),)),
    Variant("rms-phi", "phi is divided by its root mean square", (("normalise_phi", "rms"),)),
    Variant("layer-norm-tokens", "tokens go through a layer norm for the logits", (("normalise_tokens", "layer"),)),
    Variant(
        "phi-normalised-over-slots", "phi is normalised over slots, not over the width", (("normalise_phi", "slots"),)
    ),
    Variant("no-epsilon", "the norm has no epsilon", (("epsilon", 0.0),), "PyTorch's F.normalize"),
    Variant("epsilon-1e-3-inside", "the norm's epsilon is 1e-3 inside the root", (("epsilon", 1e-3),)),
    Variant("epsilon-1e-2-outside", "the norm's epsilon is 1e-2 outside the root", (("epsilon_outside", 1e-2),)),
    Variant("dispatch-over-slots", "dispatch is a softmax over slots", (("dispatch_axis", "slots"),)),
    Variant("combine-over-tokens", "combine is a softmax over tokens", (("combine_axis", "tokens"),)),
    Variant(
        "combine-within-expert", "combine is a softmax over the slots of each expert", (("combine_axis", "expert"),)
    ),
    Variant(
        "swapped-softmaxes", "the two softmaxes are swapped", (("dispatch_axis", "slots"), ("combine_axis", "tokens"))
    ),
    Variant("batch-softmax", "dispatch is a softmax over the tokens of all images", (("dispatch_axis", "batch"),)),
    Variant("root-width-temperature", "logits are divided by the root of the width", (("temperature", "root-width"),)),
)

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "soft": (*_SOFT, *_GELU),
    "tokens": (*_TOKENS, *_CAPACITY, *_GELU),
    "experts": (*_EXPERTS, *_CAPACITY, *_GELU),
}
"""Variants by family; a variant that changes no rule of a strategy is never named."""
