"""How many slots an expert gets: the rounding rules under which public systems differ."""

import math
from collections.abc import Callable

from moebench.errors import BadInput, unknown

ROUNDINGS: dict[str, Callable[[float], int]] = {"round": round, "ceil": math.ceil, "floor": math.floor}


def check_capacity(router: str, capacity_factor: float, rounding: str, multiple_of: int) -> None:
    """Refuse capacity options that mean nothing.

    Raises:
        BadInput: names the router, the option and what would be right.
    """
    if not capacity_factor > 0:
        raise BadInput(
            f"router '{router}': capacity_factor must be above 0, got {capacity_factor}.",
            key="capacity_factor",
        )
    if rounding not in ROUNDINGS:
        raise unknown(f"capacity_rounding of router '{router}'", rounding, ROUNDINGS, key="capacity_rounding")
    if multiple_of < 1:
        raise BadInput(
            f"router '{router}': capacity_multiple_of must be at least 1, got {multiple_of}.",
            key="capacity_multiple_of",
        )


def capacity(
    assignments: int, experts: int, capacity_factor: float, rounding: str = "round", multiple_of: int = 1
) -> int:
    """Slots of each expert for a group: rounding(assignments · C / E), at least 1, up to a multiple.

    `assignments` is tokens · k where tokens choose, and tokens where experts choose. The order of the float
    operations, and Python's rounding of halves to even, are those of V-MoE's public code, so that the slots agree
    with it to the last one.
    """
    slots = max(1, ROUNDINGS[rounding](assignments * capacity_factor / experts))
    return slots + -slots % multiple_of
