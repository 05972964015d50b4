"""Limits of time and memory at which a cell is stopped."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from moebench.errors import BadInput
from moebench.spec.messages import first_mistake

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True))
class Limits:
    """Time and memory of one cell."""

    time_limit_s: _Positive = 3600.0
    """Seconds after which a cell is stopped; its row has the status timeout. Waiting for other cells does not
    count."""
    memory_limit_gib: _Positive | None = None
    """Resident memory in GiB of all processes of a cell together, beyond which the cell is stopped with the status oom.
    Default: a cell's share of 90 % of the machine's memory; a cell that needs more runs again alone with all of it.
    Cells whose limits together exceed 90 % of the memory do not run side by side."""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Limits":
        """Return the limits among the values; other keys are ignored.

        Raises:
            BadInput: a limit is no number above 0; the error carries the key.
        """
        given = {key: values[key] for key in LIMITS if values.get(key) is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            place, sentence = first_mistake(error, TypeAdapter(cls))
            raise BadInput(sentence, key=str(place[0])) from error


LIMITS = ("time_limit_s", "memory_limit_gib")
