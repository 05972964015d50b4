"""Settings for the evaluation of a trained model, without further training.

Settings change k, C, the order of the tokens, or slots. A setting changes options of the router, or replaces the router
by another with the same parameters. Nothing is allocated and nothing runs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
from flax import nnx

from moebench import routers
from moebench.errors import BadInput, shortened
from moebench.models import VitConfig
from moebench.spec.cell_spec import Scalar

KEY = "test_time"


@dataclass(frozen=True)
class Setting:
    """One setting with the model that it evaluates."""

    changes: Mapping[str, Scalar]
    """Options that the setting changes; empty for the setting of the training."""
    model: VitConfig
    """The trained model with the router of the setting; for evaluation only."""
    slots_per_expert: int
    """Slots of each expert for one group of images."""
    experts: int
    capacity_factor: float | None
    """Capacity factor of the evaluation; None if the router has none, or no limit."""

    @property
    def columns(self) -> dict[str, Any]:
        """Fields of the result table's `test_time` that identify the setting."""
        options = self.model.router_options
        return {
            "setting": json.dumps(dict(self.changes), sort_keys=True),
            "router": self.model.router,
            "top_k": _in_evaluation(options, "top_k"),
            "capacity_factor": self.capacity_factor,
            "slots_per_expert": self.slots_per_expert,
            "total_slots": self.slots_per_expert * self.experts,
        }


_RULES = ("capacity_rule", "capacity_rounding", "capacity_multiple_of")
"""Options that count the slots of a limited capacity."""


def resolve_settings(settings: tuple[Mapping[str, Scalar], ...], model: VitConfig) -> tuple[Setting, ...]:
    """Resolve the settings of a model.

    Args:
        settings: the options that each setting changes.
        model: the model with its options of the training.

    Returns:
        The setting of the training, then the requested settings; an empty tuple if none is requested.

    Raises:
        BadInput: a setting does not fit the trained model.
    """
    if not settings:
        return ()
    trained = _abstract(model)
    # Defaults are filled in, because another router may have other defaults.
    model = replace(model, router_options={**model.router_options, **trained.options})
    return tuple(_resolved(setting, model, trained) for setting in ({}, *settings))


def _resolved(changes: Mapping[str, Scalar], model: VitConfig, trained: routers.Router) -> Setting:
    try:
        changed = _changed(changes, model)
        router = _abstract(changed)
        _check_parameters(changed.router, router, trained)
        if router.experts != trained.experts:
            raise BadInput(
                f"router '{changed.router}' would have {router.experts} experts, and {trained.experts} were trained."
            )
        tokens = changed.tokens * changed.group_images
        slots = routers.slots_of(router, changed.router, changed.router_options, tokens, training=False)
    except BadInput as mistake:
        given = ", ".join(shortened(f"{key}: {value}") for key, value in changes.items())
        raise BadInput(f"{KEY} {{{given}}}: {mistake}", key=KEY) from mistake
    limit = router.capacity_factor_in(training=False) if isinstance(router, routers.SparseRouter) else None
    return Setting(changes, changed, slots, router.experts, limit)


def _changed(changes: Mapping[str, Scalar], model: VitConfig) -> VitConfig:
    """Return the model with router and options of a setting.

    Options that the setting leaves out have their values of the training.
    """
    name = str(changes.get("router", model.router))
    given = {key: value for key, value in changes.items() if key != "router"}
    known = routers.options(name)
    options = {key: value for key, value in model.router_options.items() if key in known}
    routers.check_options(name, options | given)
    for key in given:
        if key in routers.find(name).training_only_options:
            raise BadInput(f"router '{name}' uses {key} in training only: leave it out.")
    for key, value in given.items():
        own = f"eval_{key}"
        # The parameters need the trained option; the setting therefore changes the option for evaluation if there is
        # one.
        options |= {own: value} if own in known and value is not None else {key: value}
        if own in known and value is None:
            options[own] = None
    if options.get("capacity_factor") is None and options.get("eval_capacity_factor") is None:
        # Without a limit these options have no slots to count.
        options = {key: value for key, value in options.items() if key not in _RULES}
    return replace(model, router=name, router_options=options)


def _abstract(model: VitConfig) -> routers.Router:
    """Return the shapes of a model's router."""
    width = model.preset.size.width
    return nnx.eval_shape(lambda: routers.create(model.router, dim=width, rngs=nnx.Rngs(0), **model.router_options))


def _check_parameters(name: str, router: routers.Router, trained: routers.Router) -> None:
    """Raise unless the router has the parameters and variables of the trained one."""
    needed, present = _arrays(router), _arrays(trained)
    if needed != present or router.routes_through != trained.routes_through:
        raise BadInput(
            f"router '{name}' needs {_listed(needed)} for a {router.routes_through}, and the trained "
            f"'{trained.name}' has {_listed(present)} for a {trained.routes_through}."
        )
    if differing := _frozen(router) ^ _frozen(trained):
        raise BadInput(
            f"of '{name}' and the trained '{trained.name}' one learns {', '.join(sorted(differing))} and the other "
            "does not."
        )


def _frozen(router: routers.Router) -> set[str]:
    """Return the names of the arrays that a router does not train."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(router, routers.RouterState)))
    return {jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves}


def _arrays(router: routers.Router) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a router's arrays by name."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(router)))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in leaves}


def _listed(arrays: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in arrays.items()) or "no parameters"


def _in_evaluation(options: Mapping[str, Any], name: str) -> Any:
    """Return the value of an option in evaluation."""
    own = options.get(f"eval_{name}")
    return options.get(name) if own is None else own
