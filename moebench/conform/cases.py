"""Inputs for trying a layer: random tokens, and corner cases in which implementations differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from moebench.conform.variants import STRATEGIES

DIM, HIDDEN = 12, 20


@dataclass(frozen=True)
class Case:
    """Weights, options and tokens on which reference and layer are compared."""

    name: str
    says: str
    weights: Mapping[str, Float32[np.ndarray, "..."]]
    options: Mapping[str, float]
    tokens: Float32[np.ndarray, "group token dim"]
    compared: bool = True
    """Whether outputs count for the verdict; NaN and ties between experts are reported separately."""


def cases(strategy: str) -> list[Case]:
    """Return the cases of a strategy, which are fixed."""
    return list(_cases(strategy))


def _cases(strategy: str) -> Iterator[Case]:
    family = STRATEGIES[strategy].family
    base = _case(strategy, "random", "random tokens, two groups")
    yield base
    yield _case(strategy, "one group", "random tokens, one group", tokens=32, groups=1, seed=1)
    yield _case(strategy, "eight experts", "twice as many experts", experts=8, seed=2)
    if family != "soft":
        yield from _capacities(strategy, family)
        if "top_k" not in dict(STRATEGIES[strategy].settings):
            one = _case(strategy, "top 1", "one choice for each token", seed=11)
            yield replace(one, options={**one.options, "top_k": 1})
    yield _collapse(_case(strategy, "collapse", "all tokens want the same expert first", seed=6), family)
    yield _ties(_case(strategy, "ties", "two experts with equal logits, and tokens that stand twice", seed=7), family)
    loud = _case(strategy, "large logits", "tokens 30 times as long", seed=8)
    yield replace(loud, tokens=30 * loud.tokens)
    quiet = _case(strategy, "small tokens", "tokens of length 0.01", seed=8)
    yield replace(quiet, tokens=np.float32(0.003) * quiet.tokens)
    if family == "soft":  # Where experts are chosen, a token of zeros is a tie between all experts.
        padded = base.tokens.copy()
        padded[:, -5:] = 0
        yield replace(base, name="padding", says="the last five tokens of each group are zeros", tokens=padded)
    yield _case(strategy, "one token", "groups of one token", experts=2, tokens=1, groups=3, seed=9)
    yield _case(strategy, "one expert", "a single expert", experts=1, tokens=16, seed=10)
    rounded = base.tokens.view(np.uint32) & np.uint32(0xFFFF0000)
    yield replace(base, name="bfloat16 tokens", says="tokens rounded to bfloat16", tokens=rounded.view(np.float32))
    bad = base.tokens.copy()
    bad[0, 3, 5] = np.nan
    yield replace(base, name="NaN", says="NaN in one token of the first group", tokens=bad, compared=False)


def _capacities(strategy: str, family: str) -> Iterator[Case]:
    """Yield cases with full experts, on which the capacity rules of public systems differ.

    The rules give different numbers of slots.
    """
    for tokens, factor, experts in ((24, 0.5, 4), (22, 1.3, 4), (23, 1.1, 4), (21, 1.0, 4), (21, 1.3, 4), (9, 0.5, 8)):
        name = f"capacity {factor} of {tokens}"
        case = _case(strategy, name, f"C = {factor}, {tokens} tokens", experts=experts, tokens=tokens, seed=tokens)
        yield _collapse(replace(case, options={**case.options, "capacity_factor": factor}), family)


def _case(
    strategy: str, name: str, says: str, *, experts: int = 4, tokens: int = 24, groups: int = 2, seed: int = 0
) -> Case:
    generator = np.random.default_rng([seed, 2308])
    family = STRATEGIES[strategy].family

    def normal(*shape: int, std: float = 1.0) -> np.ndarray:
        return (std * generator.normal(size=shape)).astype(np.float32)

    weights = {
        "kernel_in": normal(experts, DIM, HIDDEN, std=DIM**-0.5),
        "bias_in": normal(experts, HIDDEN, std=0.3),
        "kernel_out": normal(experts, HIDDEN, DIM, std=HIDDEN**-0.5),
        "bias_out": normal(experts, DIM, std=0.3),
    }
    options: dict[str, float] = {}
    if family == "soft":
        weights |= {"phi": normal(DIM, experts, 2, std=0.7), "scale": np.array(3.7, np.float32)}
    else:
        weights["kernel"] = normal(DIM, experts, std=DIM**-0.5 * 2)
        if strategy == "loss-free":
            weights["bias"] = normal(experts, std=0.3)
        fixed = dict(STRATEGIES[strategy].settings).get("top_k")
        options = {"top_k": min(experts, int(fixed or 2)), "capacity_factor": 1.0}
    return Case(name, says, weights, options, normal(groups, tokens, DIM))


def _collapse(case: Case, family: str) -> Case:
    """Move all tokens towards the first expert."""
    column = case.weights["phi"][:, 0, 0] if family == "soft" else case.weights["kernel"][:, 0]
    return replace(case, tokens=(case.tokens + 3 * column / np.linalg.norm(column)).astype(np.float32))


def _ties(case: Case, family: str) -> Case:
    """Give the second and third expert equal logits, and duplicate every token."""
    key = "phi" if family == "soft" else "kernel"
    tied = case.weights[key].copy()
    tied[:, 2] = tied[:, 1]
    tokens = case.tokens.copy()
    tokens[:, 12:] = tokens[:, :12]
    weights = {**case.weights, key: tied}
    if "bias" in weights:
        weights["bias"] = np.zeros_like(weights["bias"])
    # With room for every choice, so that the expert of a tie is visible.
    options = {key: 2.0 if key == "capacity_factor" else value for key, value in case.options.items()}
    return replace(case, weights=weights, tokens=tokens, options=options, compared=family == "soft")
