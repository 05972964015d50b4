"""From what was asked for to what will be built: defaults filled in, slots worked out, mistakes found.

Nothing is allocated and nothing runs, so that a whole grid is resolved in a moment.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flax import nnx

from moebench import models, routers
from moebench.cells.fingerprint import VERSIONS, code, digest
from moebench.errors import BadInput
from moebench.evaluation.test_time_settings import Setting, resolve_settings
from moebench.measuring import environment, shapes
from moebench.measuring.environment import pin_jax_settings
from moebench.models import VitConfig
from moebench.spec.cell_spec import CellSpec, Scalar, Scope

if TYPE_CHECKING:
    from moebench.data import Dataset, Format, Source

TWIN = "dense"
"""Router of the model that a cell is timed beside."""


@cache
def dataset(name: str, image_size: int | None = None) -> "Dataset":
    """The data set of that name at that size, read once."""
    return source(name).load(image_size, partial(print, flush=True))


@cache
def source(name: str) -> "Source":
    """Where the images of that name come from."""
    from moebench import data  # whoever only counts need not wait for the libraries that images come from

    return data.find(name)


@dataclass(frozen=True)
class ResolvedCell:
    """A cell that can be built."""

    spec: CellSpec
    """As asked for; what it says of the data is filled in if it comes from `resolve_cell`."""
    model: VitConfig
    router: routers.Router
    """A router of this cell for tokens of width 1: its options are filled in, its parameters of no account."""
    settings: tuple[Setting, ...] = ()
    """Those in which the trained model is evaluated, the trained one first."""
    pretraining: "ResolvedCell | None" = None
    """The cell whose trained model this one starts from, if it trains that itself."""
    kept: str = ""
    """Digest of the kept model that it starts from, if it does: another may lie at the same place tomorrow."""

    @property
    def label(self) -> str:
        """As it is written on the command line: the router with its options, apart from those at their defaults."""
        defaults = routers.options(self.spec.router)
        given = {key: value for key, value in self.model.router_options.items() if value != defaults[key]}
        options = ",".join(f"{key}={value}" for key, value in given.items())
        return f"{self.spec.router}[{options}]" if options else self.spec.router

    @property
    def inputs(self) -> dict[str, Any]:
        """The input columns of the result table."""
        layer, options = shapes(self.model, self.router), self.router.options
        spec = self.spec
        columns = {
            "router": spec.router,
            "model": spec.model,
            "scope": spec.scope,
            "data": spec.data,
            "data_digest": self._content.get("data"),
            "image_size": self.model.image_size,
            "classes": self.model.classes,
            "tokens_per_image": self.model.tokens,
            "experts": self.router.experts,
            "slots_per_expert": layer.slots_per_expert,
            "total_slots": layer.total_slots,
            "slots_per_image": layer.total_slots / self.model.group_images,
            "top_k": options.get("top_k"),
            "capacity_factor": options.get("capacity_factor"),
            "effective_capacity_factor": layer.total_slots / (layer.group_tokens * options.get("top_k", 1)),
            "group_images": self.model.group_images,
            "dispatch": options.get("dispatch"),
            "moe_layers": ",".join(map(str, self.model.moe_blocks)),
            "steps": spec.steps,
            "batch_size": spec.batch,
            "pretrain_data": self.pretraining.spec.data if self.pretraining else spec.init_from,
            "pretrain_steps": self.pretraining.spec.steps if self.pretraining else None,
            "precision": spec.precision,
            "learning_rate": spec.learning_rate,
            "config": json.dumps(self.config, sort_keys=True),
        }
        if spec.scope == "layer":
            unused = dict.fromkeys(("classes", *(name for name in CellSpec.outside(Scope.LAYER) if name in columns)))
            columns |= unused | {"data": "random tokens"}
        return columns

    @property
    def config(self) -> dict[str, Any]:
        """Return everything asked for, with defaults filled in, without keys that change no result."""
        # A plugin counts by its content, which is part of the fingerprint, and not by its place.
        filled_in = {
            # A router that is a plain module declares no defaults.
            "options": {**self.model.router_options, **self.router.options},
            "group_images": self.model.group_images,
            "moe_layers": self.spec.moe_layers or self.model.preset.moe_layers,
        }
        asked = self.spec.identity()
        return asked | {name: value for name, value in filled_in.items() if name in asked}

    @property
    def images(self) -> "Source | None":
        """Where its images come from; None where a layer is measured alone, on random tokens."""
        return None if self.spec.scope == "layer" else source(self.spec.data)

    @property
    def _content(self) -> dict[str, str]:
        """Digests of a user's own images, by the key that names their place."""
        named = {"data": self.images, "pretrain_data": self.pretraining.images if self.pretraining else None}
        found = {key: images.identity() for key, images in named.items() if images is not None}
        return {key: content for key, content in found.items() if content}

    @property
    def routers(self) -> tuple[str, ...]:
        """Names of all routers whose code gives this cell's results."""
        twin = (TWIN,) if self.spec.timing_budget_s else ()
        return tuple(sorted({self.spec.router, *(setting.model.router for setting in self.settings), *twin}))

    def identity(self, device: Mapping[str, Any]) -> dict[str, str]:
        """Return `cell_id`, of what was asked for and where, and `fingerprint`, of all else that decides results.

        Args:
            device: the columns of the environment.
        """
        # A user's images count by their content: a copy of them in another place is the same data.
        asked = self.config | {key: content for key, content in self._content.items() if key in self.config}
        return {
            # JAX calls every processor "cpu"; their times are not each other's.
            "cell_id": digest([json.dumps(asked, sort_keys=True), device["device_kind"], device["cpu"]]),
            "fingerprint": digest(
                [
                    *code(*self.routers),
                    *(str(device[version]) for version in VERSIONS),
                    device["jax_settings"],
                    self.images.identity() if self.images else "",
                    *([self.pretraining.identity(device)["fingerprint"]] if self.pretraining else []),
                    *([self.kept] if self.kept else []),
                ]
            ),
        }


def resolve_cell(spec: CellSpec) -> ResolvedCell:
    """What a specification comes to.

    Raises:
        BadInput: unknown names, options that do not fit each other, slots that cannot be had.
    """
    for plugin in spec.plugins:
        routers.load_plugin(Path(plugin))
    if spec.scope == "layer":
        return _resolve_layer(spec)
    for key in ("pretrain_steps", "pretrain_image_size"):
        if getattr(spec, key) is not None and spec.pretrain_data is None:
            raise BadInput(f"{key} needs pretrain_data, the data set to train on first.", key=key)
    images = source(spec.data)
    found = images.format(spec.image_size)
    given = {"data": images.name, "image_size": found.image_size, "augment": spec.augment or images.augment}
    spec = spec.model_copy(update=given)
    if spec.pretrain_data is None and spec.init_from is None:
        return resolve_for(spec, found.image_size, found.channels, found.classes)
    return _resolve_start(spec, found)


def _resolve_start(spec: CellSpec, found: "Format") -> ResolvedCell:
    """A cell that starts from a trained model: its router and channels are that one's, its images and head are not."""
    if spec.pretrain_data is not None and spec.init_from is not None:
        raise BadInput("pretrain_data and init_from both say where to start; leave one out.", key="init_from")
    if spec.mesh_shape != (1, 1):
        raise BadInput(
            f"a start from a trained model is for one device: leave devices={spec.devices} out.", key="devices"
        )
    if spec.pretrain_data is None:
        return _resolve_kept(spec, found)
    asked = {"data": spec.pretrain_data, "image_size": spec.pretrain_image_size, "augment": None}
    asked["steps"] = spec.pretrain_steps or spec.steps
    upstream = resolve_cell(spec.model_copy(update=CellSpec.outside(Scope.PRETRAINING) | asked))
    initial_state = spec.model_copy(update={"options": dict(upstream.model.router_options), "total_slots": None})
    cell = resolve_for(initial_state, found.image_size, upstream.model.channels, found.classes)
    return replace(cell, spec=spec, pretraining=upstream)


def _resolve_kept(spec: CellSpec, found: "Format") -> ResolvedCell:
    """The same for a model that another cell has kept."""
    from moebench import training  # whoever only counts need not wait for them
    from moebench.training import saved_models

    kept = saved_models.find(str(spec.init_from))
    if spec.total_slots is not None:
        raise BadInput(
            f"init_from has the slots of the kept model: leave total_slots={spec.total_slots} out.", key="total_slots"
        )
    known = routers.options(spec.router)
    options = {key: value for key, value in kept.about["options"].items() if key in known} | spec.options
    together = spec.group_images or kept.about.get("group_images")
    initial_state = spec.model_copy(update={"options": options, "group_images": together})
    cell = resolve_for(initial_state, found.image_size, kept.about["channels"], found.classes)
    schedule = training.Schedule(steps=1, learning_rate=1.0, weight_decay=0.0, warmup=0.0, clip_norm=1.0)
    state = training.Program(cell.model, schedule, spec.batch).abstract_state
    kept.check(spec.model, cell.label, saved_models.arrays_of(state))
    return replace(cell, spec=spec, kept=digest([json.dumps(kept.about["digests"], sort_keys=True)]))


def _resolve_layer(spec: CellSpec) -> ResolvedCell:
    """A layer for as many tokens as images of the size asked for have, or of that which its model was published for."""
    preset = models.preset(spec.model)
    if routers.find(spec.router).routes_through == "block":
        raise BadInput(
            f"router '{spec.router}' takes tokens into whole blocks, so that it has no layer to measure alone.",
            key="router",
        )
    if spec.mesh_shape != (1, 1):
        raise BadInput(f"scope=layer is for one device: leave devices={spec.devices} out.", key="devices")
    if not spec.timing_budget_s:
        raise BadInput("scope=layer with timing_budget_s=0 leaves nothing to measure.", key="timing_budget_s")
    size = spec.image_size or preset.image_size
    return resolve_for(spec.model_copy(update={"image_size": size}), size, channels=3, classes=preset.classes)


def resolve_for(spec: CellSpec, image_size: int, channels: int, classes: int) -> ResolvedCell:
    """What a specification comes to on such images, whatever its data set; options left out are the model's own.

    Raises:
        BadInput: as `resolve_cell`.
    """
    preset = models.preset(spec.model)
    known = routers.options(spec.router)
    options = {key: value for key, value in preset.options.items() if key in known} | spec.options
    routers.check_options(spec.router, options, CellSpec.keys())
    group_images = spec.group_images or routers.find(spec.router).group_images
    if spec.batch % group_images:
        raise BadInput(
            f"router '{spec.router}' routes groups of {group_images} images, which do not divide a batch of "
            f"{spec.batch}: use a batch that is a multiple of {group_images}, or another group_images.",
            key="group_images" if spec.group_images else "batch",
        )
    model = VitConfig(
        preset=preset,
        image_size=image_size,
        channels=channels,
        classes=classes,
        router=spec.router,
        router_options=options,
        group_images=group_images,
        moe_blocks=models.moe_blocks(spec.moe_layers or preset.moe_layers, preset.size.layers),
        precision=spec.precision,
    )
    if spec.total_slots is not None:
        slots = model.tokens if spec.total_slots == "tokens" else spec.total_slots
        model = replace(model, router_options={**options, **_slot_options(spec, model, slots)})
    router = nnx.eval_shape(lambda: routers.create(spec.router, dim=1, rngs=nnx.Rngs(0), **model.router_options))
    layer = shapes(model, router)
    if spec.total_slots is not None and layer.total_slots != slots * group_images:
        raise BadInput(
            f"router '{spec.router}' with {router.experts} experts cannot have total_slots={slots} for each image: "
            f"{slots * group_images} slots for a group of {group_images} do not divide among them; "
            f"{layer.total_slots} would.",
            key="total_slots",
        )
    _check_mesh(spec, router.experts, group_images)
    return ResolvedCell(spec, model, router, resolve_settings(spec.test_time, model))


def _check_mesh(spec: CellSpec, experts: int, group_images: int) -> None:
    """Whether images, groups and experts can be split as the specification asks."""
    data_shards, expert_shards = spec.mesh_shape
    count = data_shards * expert_shards
    if experts > 1 and experts % expert_shards:
        raise BadInput(
            f"devices={spec.devices} splits experts into {expert_shards} parts, which do not divide {experts} experts.",
            key="devices",
        )
    # The dense twin has nothing to split but its images, and they go over all devices.
    if spec.batch % count:
        raise BadInput(
            f"devices={spec.devices} are {count} devices, which do not divide a batch of {spec.batch}: use a batch "
            f"that is a multiple of {count}.",
            key="devices",
        )
    if experts > 1 and spec.batch // data_shards % group_images:
        raise BadInput(
            f"devices={spec.devices} splits a batch of {spec.batch} into parts of {spec.batch // data_shards} images, "
            f"and groups of {group_images} would straddle them: use a batch that is a multiple of "
            f"{data_shards * group_images}.",
            key="devices",
        )
    if count > 1 and spec.test_time:
        raise BadInput(f"test_time is tried on one device, and devices={spec.devices} are {count}.", key="test_time")


def _slot_options(spec: CellSpec, model: VitConfig, slots: int) -> dict[str, Scalar]:
    """The option of the router that gives it so many slots for each image."""
    known = routers.options(spec.router)
    option = next((name for name in ("slots_per_expert", "capacity_factor") if name in known), None)
    if option is None:
        return {}
    if option in spec.options:
        raise BadInput(
            f"router '{spec.router}': {option} and total_slots both set the slots; leave one out.", key=option
        )
    if option == "slots_per_expert":
        experts = int(model.router_options.get("experts") or 1)
        return {option: max(1, slots * model.group_images // experts)}
    top_k = model.router_options.get("top_k", known["top_k"])
    return {option: slots / (model.tokens * int(top_k or 1))}


def resolve(specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each specification what it comes to, or what is wrong with it, as plain values.

    An entry has either `cell_id`, `fingerprint`, `label`, `inputs` and `ready`, which is false where images are still
    to be made; or `error`, one sentence, and `key`, the key at fault or None.
    """
    pin_jax_settings()
    device = environment()
    return [_answer(spec, device) for spec in specs]


def _answer(spec: Mapping[str, Any], device: Mapping[str, Any]) -> dict[str, Any]:
    try:
        cell = resolve_cell(CellSpec.model_validate_json(json.dumps(spec)))
    except BadInput as mistake:
        return {"error": str(mistake), "key": mistake.key}
    ready = all(
        one.images is None or one.images.is_ready(one.spec.image_size) for one in (cell, cell.pretraining) if one
    )
    return {**cell.identity(device), "label": cell.label, "inputs": cell.inputs, "ready": ready}


def prepare(specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make the images of each specification and keep them for the cells; what is wrong with them, as from `resolve`."""
    pin_jax_settings()
    return [_prepared(spec) for spec in specs]


def _prepared(spec: Mapping[str, Any]) -> dict[str, Any]:
    try:
        dataset(spec["data"], spec["image_size"])
    except BadInput as mistake:
        return {"error": str(mistake), "key": mistake.key}
    try:
        if spec.get("pretrain_data") is not None:
            dataset(spec["pretrain_data"], spec.get("pretrain_image_size"))
    except BadInput as mistake:
        return {"error": str(mistake), "key": "pretrain_data"}
    return {}
