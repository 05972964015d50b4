"""What a cell may take before it is stopped."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moebench.errors import BadInput
from moebench.spec.messages import describe


@dataclass(frozen=True)
class Limits:
    """Time and memory of one cell."""

    time_limit_s: float = 3600.0
    memory_limit_gib: float | None = None
    """Resident memory of the cell's processes together; None leaves it to the executor."""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Limits":
        """The limits among these values. Raises BadInput, with the key, for what is no number greater than 0."""
        given = {key: values[key] for key in UNITS if values.get(key) is not None}
        for key, value in given.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
                raise BadInput(f"'{key}' should be {UNITS[key]} greater than 0, not {describe(value)}.", key=key)
        return cls(**given)


UNITS = {"time_limit_s": "seconds", "memory_limit_gib": "GiB"}
