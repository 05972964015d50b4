"""How many slots an expert gets: the rules under which public systems differ."""

import math
from collections.abc import Callable

ROUNDINGS: dict[str, Callable[[float], int]] = {"round": round, "ceil": math.ceil, "floor": math.floor}

OWN_RULE = "rounding"
"""The rule that leaves rounding and multiple to the options of those names."""

RULES: dict[str, Callable[[int, int, int | float, float], int]] = {
    "vmoe": lambda tokens, k, experts, factor: _up_to_multiple(math.ceil(tokens * k * factor / experts), 4),
    "tutel": lambda tokens, k, experts, factor: k * int(factor * math.ceil(tokens / experts)),
    "maxtext": lambda tokens, k, experts, factor: int(math.ceil(tokens * k / experts) * factor),
    "megablocks": lambda tokens, k, experts, factor: int(factor * k * tokens / experts),
    "flaxformer": lambda tokens, k, experts, factor: round(factor * tokens / experts),
    "mesh-tf": lambda tokens, k, experts, factor: int(factor * tokens / experts),
}
"""Slots by tokens of a group, choices of a token, experts and capacity factor, as systems of these names have it."""


def capacity(
    tokens: int,
    choices: int,
    experts: int | float,
    factor: float | None,
    *,
    rule: str = OWN_RULE,
    rounding: str = "round",
    multiple_of: int = 1,
) -> int:
    """Slots of each expert for a group of tokens, at least 1; without a factor, one for every token.

    The rule "rounding" is rounding(S·k·C/E), then up to a multiple. Its order of the float operations, and Python's
    rounding of halves to even, are those of V-MoE's public code, so that the slots agree with it to the last one.
    """
    if factor is None:
        return tokens
    if rule != OWN_RULE:
        return max(1, RULES[rule](tokens, choices, experts, factor))
    return _up_to_multiple(max(1, ROUNDINGS[rounding](tokens * choices * factor / experts)), multiple_of)


def _up_to_multiple(slots: int, multiple_of: int) -> int:
    return slots + -slots % multiple_of
