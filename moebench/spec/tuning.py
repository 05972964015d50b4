"""The key `tune`: values of hyperparameters to choose from.

The values are equal for every cell of a suite.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from moebench.errors import BadInput, shortened
from moebench.spec.messages import describe, first_mistake

TUNE = "tune"
TUNABLE = ("learning_rate", "weight_decay", "warmup", "clip_norm")
"""Keys of a cell that can be tuned, besides the weights of the auxiliary losses of its router."""
MAX_TRIES = 100
_EXAMPLE = "{learning_rate: [1e-3, 3e-3, 1e-2]}"


def check_tune(written: Any, given: dict[str, Any], model: type[BaseModel]) -> dict[str, tuple[float, ...]]:
    """Return the values to choose from by key.

    Args:
        written: the value of `tune`, as written in a suite.
        given: the other keys and router options of the cell.
        model: `CellSpec`, whose fields define the accepted values.

    Raises:
        BadInput: the value is no mapping of lists; a key cannot be tuned, or is also given and no pre-training takes
            it; a list has fewer than two values; a key cannot have a value; or there are too many combinations.
    """
    if not isinstance(written, dict):
        raise BadInput(
            f"'{TUNE}' should be a mapping of keys to lists of values such as {_EXAMPLE}, not {describe(written)}.",
            key=TUNE,
        )
    grid = {key: _check_values(key, values, model) for key, values in written.items()}
    for key in grid:
        if key in model.model_fields and key not in TUNABLE:
            raise BadInput(
                f"'{shortened(key)}' in '{TUNE}' cannot be tuned: {', '.join(TUNABLE)} can, and weights of the "
                "router's auxiliary losses.",
                key=TUNE,
            )
        if key in given and given.get("pretrain_data") is None:
            raise BadInput(f"'{key}' is both given and in '{TUNE}': leave one out.", key=key)
    tries = count_tries(grid)
    if tries > MAX_TRIES:
        raise BadInput(f"'{TUNE}' spans {tries} combinations; a cell may have {MAX_TRIES}.", key=TUNE)
    return grid


def count_tries(grid: Mapping[str, Sequence[float]]) -> int:
    """Return the number of combinations of a grid, 0 if nothing is tuned."""
    return math.prod(map(len, grid.values())) if grid else 0


def _check_values(key: str, values: Any, model: type[BaseModel]) -> tuple[float, ...]:
    """Return the values of one key as a tuple of numbers."""
    name = f"'{shortened(key)}' in '{TUNE}'"
    listed = values if isinstance(values, list | tuple) else [values]
    for value in listed:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadInput(f"{name} should be a list of numbers, not {describe(values)}.", key=TUNE)
        if listed.count(value) > 1:
            raise BadInput(f"the value {value} occurs twice in {name}.", key=TUNE)
        if key in TUNABLE:
            try:
                model.model_validate({"router": "dense", key: value})
            except ValidationError as error:
                raise BadInput(f"{TUNE}: {first_mistake(error, model)[1]}", key=TUNE) from error
    if len(listed) < 2:
        shown = f"one value, {listed[0]}" if listed else "no value"
        raise BadInput(f"{name} has {shown}: give at least two to choose from, or leave it out.", key=TUNE)
    return tuple(map(float, listed))
