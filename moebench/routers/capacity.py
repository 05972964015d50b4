"""Compute the slots of an expert under the capacity rules of public systems."""

import math
from collections.abc import Callable

ROUNDINGS: dict[str, Callable[[float], int]] = {"round": round, "ceil": math.ceil, "floor": math.floor}

OWN_RULE = "rounding"
"""Name of the rule that rounds by `capacity_rounding` and `capacity_multiple_of`."""

LEAST_SLOTS = 4
"""Slots that flaxformer and mesh-tf give every expert at least (their min_expert_capacity)."""

RULES: dict[str, Callable[[int, int, int | float, float], int]] = {
    "vmoe": lambda tokens, k, experts, factor: _up_to_multiple(math.ceil(tokens * k * factor / experts), 4),
    "tutel": lambda tokens, k, experts, factor: k * int(factor * math.ceil(tokens / experts)),
    "maxtext": lambda tokens, k, experts, factor: int(math.ceil(tokens * k / experts) * factor),
    "megablocks": lambda tokens, k, experts, factor: int(factor * k * tokens / experts),
    "flaxformer": lambda tokens, k, experts, factor: max(round(factor * tokens / experts), LEAST_SLOTS),
    "mesh-tf": lambda tokens, k, experts, factor: max(int(factor * tokens / experts), LEAST_SLOTS),
}
"""Slots of an expert from tokens of a group, choices of a token, experts and capacity factor, by public system."""


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
    """Return the slots of each expert for a group of tokens, at least 1.

    The rule "rounding" is rounding(S·k·C/E), then up to a multiple. Order of the float operations and Python's rounding
    of halves to even are those of V-MoE's public code, so that the slots agree to the last one.

    Args:
        tokens: tokens of a group, S.
        choices: experts that each token chooses, k.
        experts: experts that share the choices, E.
        factor: capacity factor C; None gives a slot for every token.
        rule: "rounding", or a public system of `RULES`.
        rounding: a key of `ROUNDINGS`, for the rule "rounding".
        multiple_of: number of which the slots are a multiple, for the rule "rounding".
    """
    if factor is None:
        return tokens
    if rule != OWN_RULE:
        return max(1, RULES[rule](tokens, choices, experts, factor))
    return _up_to_multiple(max(1, ROUNDINGS[rounding](tokens * choices * factor / experts)), multiple_of)


def _up_to_multiple(slots: int, multiple_of: int) -> int:
    return slots + -slots % multiple_of
