"""Settings in which a trained model is tried without training it again: k, C, the order of the tokens, slots.

A setting changes options of the router, or the router itself for one that has the same parameters. Nothing here
allocates or runs anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
from flax import nnx

from moebench import routers
from moebench.errors import BadInput
from moebench.models import VitConfig
from moebench.spec.cell_spec import Scalar

KEY = "test_time"


@dataclass(frozen=True)
class Setting:
    """One of them, as it will be built."""

    asked: Mapping[str, Scalar]
    """What it changes; nothing in the setting that is the training's own."""
    model: VitConfig
    """The trained model with the setting's router; for evaluation alone."""
    slots_per_expert: int
    """Slots of each expert for one group of images."""
    experts: int

    @property
    def columns(self) -> dict[str, Any]:
        """The fields of the result table's `test_time` that say which setting it is."""
        options = self.model.router_options
        return {
            "setting": json.dumps(dict(self.asked), sort_keys=True),
            "router": self.model.router,
            "top_k": _in_evaluation(options, "top_k"),
            "capacity_factor": _in_evaluation(options, "capacity_factor"),
            "slots_per_expert": self.slots_per_expert,
            "total_slots": self.slots_per_expert * self.experts,
        }


def resolve_settings(asked: tuple[Mapping[str, Scalar], ...], model: VitConfig) -> tuple[Setting, ...]:
    """The settings of a model, the one that it was trained in before them; none where none is asked for.

    Raises:
        BadInput: a setting that the trained model cannot be put in.
    """
    if not asked:
        return ()
    trained = _abstract(model)
    # Defaults filled in, because another router may have others.
    model = replace(model, router_options={**model.router_options, **trained.options})
    return tuple(_resolved(setting, model, trained) for setting in ({}, *asked))


def _resolved(asked: Mapping[str, Scalar], model: VitConfig, trained: routers.Router) -> Setting:
    try:
        changed = _changed(asked, model)
        router = _abstract(changed)
        _check_parameters(changed.router, router, trained)
        if router.experts != trained.experts:
            raise BadInput(
                f"router '{changed.router}' would have {router.experts} experts, and {trained.experts} were trained."
            )
        slots = routers.slots_per_expert(
            changed.router, changed.tokens * changed.group_images, training=False, **changed.router_options
        )
    except BadInput as mistake:
        given = ", ".join(f"{key}: {value}" for key, value in asked.items())
        raise BadInput(f"{KEY} {{{given}}}: {mistake}", key=KEY) from mistake
    return Setting(asked, changed, slots, router.experts)


def _changed(asked: Mapping[str, Scalar], model: VitConfig) -> VitConfig:
    """The model with the router and the options of a setting; what it leaves out stays as it was trained."""
    name = str(asked.get("router", model.router))
    given = {key: value for key, value in asked.items() if key != "router"}
    known = routers.options(name)
    options = {key: value for key, value in model.router_options.items() if key in known}
    routers.check_options(name, options | given)
    for key in given:
        if key in routers.find(name).training_only_options:
            raise BadInput(
                f"router '{name}' has settled {key} in training, and does not look at it afterwards: leave it out."
            )
    for key, value in given.items():
        own = f"eval_{key}"
        # An option for evaluation alone leaves the trained one as the parameters need it; None is what it has not.
        options |= {own: value} if own in known and value is not None else {key: value}
        if own in known and value is None:
            options[own] = None
    return replace(model, router=name, router_options=options)


def _abstract(model: VitConfig) -> routers.Router:
    """The shapes of a model's router."""
    width = model.preset.size.width
    return nnx.eval_shape(lambda: routers.create(model.router, dim=width, rngs=nnx.Rngs(0), **model.router_options))


def _check_parameters(name: str, router: routers.Router, trained: routers.Router) -> None:
    """Whether the router can do with what the trained one has learned and kept."""
    needed, held = _held(router), _held(trained)
    if needed != held or router.routes_through != trained.routes_through:
        raise BadInput(
            f"router '{name}' needs {_listed(needed)} for a {router.routes_through}, and the trained "
            f"'{trained.name}' has {_listed(held)} for a {trained.routes_through}."
        )


def _held(router: routers.Router) -> dict[str, tuple[int, ...]]:
    """Shapes of a router's arrays by name."""
    leaves = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(router)))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in leaves}


def _listed(arrays: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in arrays.items()) or "no parameters"


def _in_evaluation(options: Mapping[str, Any], name: str) -> Any:
    """The value of an option that may have another one in evaluation."""
    own = options.get(f"eval_{name}")
    return options.get(name) if own is None else own
