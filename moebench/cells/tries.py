"""Tries of a tuned cell: one schedule for each combination of the values of `tune`."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flax import nnx

from moebench import routers
from moebench.errors import BadInput
from moebench.models import VitConfig
from moebench.spec.cell_spec import CellSpec
from moebench.spec.tuning import TUNABLE, TUNE


@dataclass(frozen=True)
class Try:
    """One combination of values."""

    values: Mapping[str, float]
    """The value of each key."""
    loss_weights: Mapping[str, float]
    """Weight of each auxiliary loss of the router by its name."""

    @property
    def label(self) -> str:
        """The values as written on the command line."""
        return ",".join(f"{key}={value}" for key, value in self.values.items())

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Fields of the schedule that the values change."""
        of_schedule = {key: value for key, value in self.values.items() if key in TUNABLE}
        return {**of_schedule, "loss_weights": dict(self.loss_weights)}


def resolve_tries(spec: CellSpec, model: VitConfig) -> tuple[VitConfig, tuple[Try, ...]]:
    """Resolve the combinations of a specification.

    All tries share the compiled programs of one model, which includes every auxiliary loss that some try weights.

    Args:
        spec: gives the values to choose from.
        model: the model with the options that are not tuned.

    Returns:
        The model to compile, and the tries; no tries if nothing is tuned, as in a layer measured alone.

    Raises:
        BadInput: an option is no weight of an auxiliary loss, or the router cannot have a value.
    """
    if not spec.tune or spec.scope == "layer":
        return model, ()
    of_router = {key: values for key, values in spec.tune.items() if key not in TUNABLE}
    for key, values in of_router.items():
        _check_weight(key, values, model)
    largest = {key: max(values) for key, values in of_router.items()}
    compiled = replace(model, router_options={**model.router_options, **largest})
    used = [name for name, weight in _loss_weights(compiled).items() if weight]
    tries = []
    for combination in itertools.product(*spec.tune.values()):
        chosen = dict(zip(spec.tune, combination, strict=True))
        options = {key: value for key, value in chosen.items() if key in of_router}
        weights = _loss_weights(replace(model, router_options={**model.router_options, **options}))
        tries.append(Try(chosen, {name: weights[name] for name in used}))
    return compiled, tuple(tries)


def _check_weight(key: str, values: tuple[float, ...], model: VitConfig) -> None:
    """Raise unless the option is the weight of an auxiliary loss of the router."""
    try:
        routers.check_options(model.router, {**model.router_options, key: values[0]}, TUNABLE)
    except BadInput as mistake:
        raise BadInput(f"{TUNE}: {mistake}", key=TUNE) from mistake
    found = [_loss_weights(replace(model, router_options={**model.router_options, key: value})) for value in values[:2]]
    if found[0] == found[1]:
        raise BadInput(
            f"'{key}' in '{TUNE}' is no weight of an auxiliary loss of router '{model.router}': such weights can be "
            f"tuned, and {', '.join(TUNABLE)}.",
            key=TUNE,
        )


def _loss_weights(model: VitConfig) -> dict[str, float]:
    """Return the weights of a router's auxiliary losses."""
    try:
        router = nnx.eval_shape(lambda: routers.create(model.router, dim=1, rngs=nnx.Rngs(0), **model.router_options))
    except BadInput as mistake:
        raise BadInput(f"{TUNE}: {mistake}", key=TUNE) from mistake
    return dict(router.loss_weights)


def on_edge(chosen: Mapping[str, float], grid: Mapping[str, tuple[float, ...]]) -> bool:
    """Return whether a chosen value is the smallest or largest of its list.

    A better value may lie beyond an edge. A smallest value of 0 is no edge: no key has values below 0.

    Args:
        chosen: the best combination.
        grid: all values of each key.
    """
    return any(value == max(grid[key]) or (value == min(grid[key]) and value > 0) for key, value in chosen.items())
