"""The reference of `conform`: layers in NumPy and float64, one changeable rule a line.

Definitions: Soft MoE 2308.00951, section 2.1; Tokens Choice and BPR 2106.05974, section 2 and 4; Experts Choice
2202.09368, section 3.2; loss-free 2408.15664. A test compares the unchanged rules with moebench's own routers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import erf, expit

from moebench.conform.variants import STRATEGIES, Setting

DEFAULTS: Mapping[str, Mapping[str, Setting]] = {
    "soft": {
        "experts_get": "raw",
        "scale": True,
        "normalise_tokens": "l2",
        "normalise_phi": "l2",
        "epsilon": 1e-6,
        "epsilon_outside": 0.0,
        "dispatch_axis": "tokens",
        "combine_axis": "all-slots",
        "temperature": "none",
        "gelu": "tanh",
        "expert_bias": True,
    },
    "tokens": {
        "scores": "softmax",
        "renormalise": False,
        "renormalise_one": False,
        "renormalise_kept": False,
        "weights": "gate",
        "rank_major": True,
        "order": "array",
        "ties": "lower",
        "use_bias": False,
        "bias_in_weight": False,
        "dropped": "zero",
        "least_gate": 0.0,
        "capacity_rule": "round",
        "capacity_least": 1,
        "gelu": "tanh",
        "expert_bias": True,
    },
    "experts": {
        "softmax_axis": "experts",
        "weights": "gate",
        "capacity_rule": "round",
        "capacity_least": 1,
        "gelu": "tanh",
        "expert_bias": True,
    },
}
"""Every rule of a family, as in its paper."""


@dataclass(frozen=True)
class Layer:
    """Results of a layer for some tokens."""

    outputs: Float64[np.ndarray, "group token dim"]
    weights: Float64[np.ndarray, "group token expert"]
    """Weight of each expert in a token's output."""
    dropped: Float64[np.ndarray, "group token"] | None = None
    """1 for a token that no expert processed; None if no token can be dropped."""


def settings_of(strategy: str, changes: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
    """Return every rule of a strategy, with some of them changed."""
    kind = STRATEGIES[strategy]
    rules = {**DEFAULTS[kind.family], **{key: value for key, value in kind.settings if key != "top_k"}}
    return rules | dict(changes or {})


def reference(
    strategy: str,
    weights: Mapping[str, np.ndarray],
    options: Mapping[str, float],
    tokens: Float64[np.ndarray, "group token dim"],
    changes: Mapping[str, Setting] | None = None,
) -> Layer:
    """Compute a layer's outputs by its paper's rules, or with some rules changed.

    Args:
        strategy: name in `STRATEGIES`.
        weights: `kernel` [dim, experts], or `phi` [dim, experts, slots] and `scale` []; `bias` [experts] of loss-free;
            the experts' `kernel_in` [experts, dim, hidden], `bias_in`, `kernel_out`, `bias_out`.
        options: `top_k` and `capacity_factor` of sparse strategies.
        tokens: groups of tokens that are routed together.
        changes: settings of `DEFAULTS` that differ.
    """
    rules = settings_of(strategy, changes)
    exact = {key: np.asarray(value, np.float64) for key, value in weights.items()}
    x = np.asarray(tokens, np.float64)
    family = STRATEGIES[strategy].family
    with np.errstate(all="ignore"):
        if family == "soft":
            return _soft(rules, exact, x)
        if family == "tokens":
            return _tokens(rules, exact, options, x)
        return _experts(rules, exact, options, x)


def _soft(rules: Mapping[str, Setting], weights: Mapping[str, np.ndarray], x: np.ndarray) -> Layer:
    groups, count, dim = x.shape
    phi = weights["phi"].reshape(dim, -1)
    experts, slots = weights["phi"].shape[1:]
    normed = _normalised(x, str(rules["normalise_tokens"]), rules, -1)
    directions = _normalised(phi, str(rules["normalise_phi"]), rules, 0)
    scale = float(weights["scale"]) if rules["scale"] else 1.0
    logits = normed @ directions * scale
    if rules["temperature"] == "root-width":
        logits = logits / math.sqrt(dim)
    if rules["dispatch_axis"] == "batch":
        dispatch = _softmax(logits.reshape(-1, logits.shape[-1]), 0).reshape(logits.shape)
    else:
        dispatch = _softmax(logits, 1 if rules["dispatch_axis"] == "tokens" else 2)
    if rules["combine_axis"] == "expert":
        combine = _softmax(logits.reshape(groups, count, experts, slots), 3).reshape(logits.shape)
    else:
        combine = _softmax(logits, 2 if rules["combine_axis"] == "all-slots" else 1)
    given = {"raw": x, "normalised": normed, "rms": _normalised(x, "rms", rules, -1)}[str(rules["experts_get"])]
    inputs = np.einsum("gtn,gtd->gnd", dispatch, given)
    by_expert = inputs.reshape(groups, experts, slots, dim)
    outputs = np.stack([_mlp(rules, weights, e, by_expert[:, e]) for e in range(experts)], 1)
    return Layer(
        np.einsum("gtn,gnd->gtd", combine, outputs.reshape(groups, -1, dim)),
        combine.reshape(groups, count, experts, slots).sum(-1),
    )


def _tokens(
    rules: Mapping[str, Setting], weights: Mapping[str, np.ndarray], options: Mapping[str, float], x: np.ndarray
) -> Layer:
    experts, k = weights["kernel"].shape[1], int(options["top_k"])
    logits = x @ weights["kernel"]
    scores = expit(logits) if rules["scores"] == "sigmoid" else _softmax(logits, -1)
    if rules["scores"] == "softmax-after":
        scores = logits
    chosen_by = scores + weights["bias"] if rules["use_bias"] and "bias" in weights else scores
    ranked = chosen_by[..., ::-1] if rules["ties"] == "higher" else chosen_by
    choice = np.argsort(-ranked, axis=-1, kind="stable")[..., :k]
    choice = experts - 1 - choice if rules["ties"] == "higher" else choice
    gate = np.take_along_axis(chosen_by if rules["bias_in_weight"] else scores, choice, -1)
    if rules["scores"] == "softmax-after":
        gate = _softmax(gate, -1)
    elif rules["renormalise"] and (k > 1 or rules["renormalise_one"]):
        gate = gate / gate.sum(-1, keepdims=True)
    if rules["weights"] == "one":
        gate = np.ones_like(gate)
    slots = _capacity(rules, x.shape[1], k, experts, options)
    outputs, dropped, by_expert = np.zeros_like(x), np.ones(x.shape[:2]), np.zeros(logits.shape)
    for g in range(x.shape[0]):
        first = np.take_along_axis(scores[g], choice[g], -1)
        claim = {"array": np.zeros(x.shape[1]), "priority": first.max(-1), "priority-sum": first.sum(-1)}
        order = np.argsort(-claim[str(rules["order"])], kind="stable")
        allowed = gate[g] >= float(rules["least_gate"] or 0)
        kept = _kept(np.where(allowed, choice[g], experts), order, experts, slots, rank_major=bool(rules["rank_major"]))
        share = np.where(kept, gate[g], 0)
        if rules["renormalise_kept"]:
            share = share / np.maximum(share.sum(-1, keepdims=True), 1e-9)
        for e in range(experts):
            took, rank = np.nonzero(kept & (choice[g] == e))
            if len(took):
                outputs[g, took] += share[took, rank][:, None] * _mlp(rules, weights, e, x[g, took])
                by_expert[g, took, e] = share[took, rank]
        dropped[g] = ~kept.any(-1)
        if rules["dropped"] == "input":
            outputs[g] = np.where(kept.any(-1, keepdims=True), outputs[g], x[g])
    return Layer(outputs, by_expert, dropped)


def _kept(
    choice: Int64[np.ndarray, "token k"], order: np.ndarray, experts: int, slots: int, *, rank_major: bool
) -> np.ndarray:
    """Return which choices get a slot: bool[token, k]; expert number `experts` means no choice."""
    kept, used = np.zeros(choice.shape, bool), np.append(np.zeros(experts, int), slots)
    ranks = range(choice.shape[1])
    queue = [(t, r) for r in ranks for t in order] if rank_major else [(t, r) for t in order for r in ranks]
    for token, rank in queue:
        expert = choice[token, rank]
        kept[token, rank] = used[expert] < slots
        used[expert] += 1
    return kept


def _experts(
    rules: Mapping[str, Setting], weights: Mapping[str, np.ndarray], options: Mapping[str, float], x: np.ndarray
) -> Layer:
    experts = weights["kernel"].shape[1]
    logits = x @ weights["kernel"]
    axis = rules["softmax_axis"]
    if axis == "sigmoid":
        gates = expit(logits)
    elif axis == "none":
        gates = logits
    else:
        gates = _softmax(logits, -1 if axis == "experts" else 1)
    slots = min(x.shape[1], _capacity(rules, x.shape[1], int(options["top_k"]), experts, options))
    outputs, dropped, by_expert = np.zeros_like(x), np.ones(x.shape[:2]), np.zeros(logits.shape)
    for g in range(x.shape[0]):
        for e in range(experts):
            took = np.argsort(-gates[g, :, e], kind="stable")[:slots]
            share = np.ones(slots) if rules["weights"] == "one" else gates[g, took, e]
            outputs[g, took] += share[:, None] * _mlp(rules, weights, e, x[g, took])
            by_expert[g, took, e] = share
            dropped[g, took] = 0
    return Layer(outputs, by_expert, dropped)


def _capacity(rules: Mapping[str, Setting], tokens: int, k: int, experts: int, options: Mapping[str, float]) -> int:
    """Return the slots of each expert under the rule of a public system.

    The rule `none` has one slot for every token.
    """
    factor = float(options["capacity_factor"])
    wanted = tokens * k * factor / experts
    ceil = math.ceil(wanted)
    slots = {
        "round": round(wanted),
        "ceil": ceil,
        "floor": int(wanted),
        "vmoe": ceil + -ceil % 4,
        "tutel": k * int(factor * math.ceil(tokens / experts)),
        "maxtext": int(math.ceil(tokens * k / experts) * factor),
        "no-k": round(factor * tokens / experts),
        "no-k-floor": int(factor * tokens / experts),
        "none": tokens,
    }[str(rules["capacity_rule"])]
    return max(slots, int(rules["capacity_least"] or 1))


def _mlp(rules: Mapping[str, Setting], weights: Mapping[str, np.ndarray], expert: int, x: np.ndarray) -> np.ndarray:
    biased = bool(rules["expert_bias"])
    hidden = x @ weights["kernel_in"][expert] + (weights["bias_in"][expert] if biased else 0)
    active = _activated(hidden, str(rules["gelu"]))
    result: np.ndarray = active @ weights["kernel_out"][expert] + (weights["bias_out"][expert] if biased else 0)
    return result


def _activated(hidden: np.ndarray, kind: str) -> np.ndarray:
    """Apply tanh (GELU in its tanh form), erf (exact GELU), relu or silu."""
    if kind == "relu":
        rectified: np.ndarray = np.maximum(hidden, 0)
        return rectified
    if kind == "silu":
        share = expit(hidden)
    elif kind == "erf":
        share = 0.5 * (1 + erf(hidden / math.sqrt(2)))
    else:
        share = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    result: np.ndarray = hidden * share
    return result


def _normalised(x: np.ndarray, kind: str, rules: Mapping[str, Setting], axis: int) -> np.ndarray:
    """Return an array normalised along an axis.

    The kind is l2, rms, layer, slots (l2 along the other axis of phi), or none.
    """
    if kind == "none":
        return x
    if kind == "layer":
        centred: np.ndarray = x - x.mean(axis, keepdims=True)
        spread: np.ndarray = np.sqrt(x.var(axis, keepdims=True) + 1e-6)
        standard: np.ndarray = centred / spread
        return standard
    along = 1 if kind == "slots" else axis
    squares = (x**2).sum(along, keepdims=True)
    outside = float(rules["epsilon_outside"] or 0)
    # An epsilon outside the root replaces the one inside.
    length = np.sqrt(squares) + outside if outside else np.sqrt(squares + float(rules["epsilon"] or 0))
    # Zeros stay zeros without an epsilon, as in PyTorch's F.normalize.
    length = np.where(length == 0, 1, length)
    scaled: np.ndarray = x / length * (math.sqrt(x.shape[along]) if kind == "rms" else 1)
    return scaled


def _softmax(logits: np.ndarray, axis: int) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis, keepdims=True))
    result: np.ndarray = shifted / shifted.sum(axis, keepdims=True)
    return result
