"""Resolve a specification: fill in defaults, compute slots, find mistakes.

Nothing is allocated and nothing runs, so that a whole grid is resolved within a second.
"""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flax import nnx

from moebench import models, routers
from moebench.cells.checks import (
    check_contrastive,
    check_eval_every,
    check_groups,
    check_layer,
    check_mesh,
    check_pretraining,
    check_recording,
    check_truth,
    check_tune,
)
from moebench.cells.images import pair_source, source
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.tries import resolve_tries
from moebench.code.digests import digest
from moebench.errors import BadInput
from moebench.evaluation.test_time_settings import resolve_settings
from moebench.measuring import shapes, text_router
from moebench.models import TextConfig, TwoTowersConfig, VitConfig
from moebench.spec.cell_spec import CellSpec, Scalar, Scope
from moebench.spec.entry import parse_cell

if TYPE_CHECKING:
    from moebench.data import Format


def resolve_cell(spec: CellSpec) -> ResolvedCell:
    """Resolve the specification of a cell.

    Raises:
        BadInput: a name is unknown, options contradict each other, or no router can have the requested slots.
    """
    for plugin in spec.plugins:
        routers.load_plugin(Path(plugin))
    if spec.scope == "layer":
        return _resolve_layer(spec)
    check_pretraining(spec)
    check_contrastive(spec)
    check_eval_every(spec)
    check_tune(spec)
    check_recording(spec)
    if spec.text_model is not None:
        return _resolve_contrastive(spec)
    images = source(spec.data)
    found = images.format(spec.image_size)
    given = {"data": images.name, "image_size": found.image_size, "augment": spec.augment or images.augment}
    spec = spec.model_copy(update=given)
    if spec.pretrain_data is not None:
        return _resolve_pretrained(spec, found)
    if spec.init_from is not None:
        return _resolve_saved(spec, found)
    return resolve_for(spec, found.image_size, found.channels, found.classes, check_truth(spec, found.truth))


def _resolve_contrastive(spec: CellSpec) -> ResolvedCell:
    """Resolve a cell of two towers.

    The image tower is the model of a cell that classifies, without the head.
    """
    pairs = pair_source(spec.data)
    found = pairs.format(spec.image_size)
    augment = "none" if spec.freeze else spec.augment or pairs.augment
    spec = spec.model_copy(update={"data": pairs.name, "image_size": found.image_size, "augment": augment})
    text = text_tower(spec, found.vocabulary)
    from moebench.data import Format  # counting needs none of the libraries that images come from

    images = Format(found.image_size, found.channels, classes=0)
    if spec.pretrain_data is not None:
        return with_text_tower(_resolve_pretrained(spec, images), text)
    if spec.init_from is not None:
        return with_text_tower(_resolve_saved(spec, images), text)
    return with_text_tower(resolve_for(spec, found.image_size, found.channels, classes=0), text)


def with_text_tower(cell: ResolvedCell, text: TextConfig) -> ResolvedCell:
    """Return a cell with a text tower beside its image tower.

    Args:
        cell: the cell, whose model has no head.
        text: the text tower, which gets a projection to the width of the image tower.
    """
    of_image = {field.name: getattr(cell.model, field.name) for field in fields(VitConfig)}
    towers = TwoTowersConfig(
        **of_image,
        text=replace(text, classes=cell.model.preset.size.width),
        loss=cell.spec.contrastive_loss,
        frozen=cell.spec.freeze is not None,
    )
    return replace(cell, model=towers)


def text_tower(spec: CellSpec, vocabulary: int) -> TextConfig:
    """Return the shape of a cell's text tower, without its projection.

    Args:
        spec: gives size, router and length.
        vocabulary: number of different tokens.

    Raises:
        BadInput: an unknown size or router, or options that do not fit.
    """
    preset = models.text_preset(str(spec.text_model))
    try:
        parsed = dict(parse_cell(spec.text_router or "dense"))
        name, routed = str(parsed.pop("router")), spec.text_router is not None
        options: dict[str, Scalar] = {key: value for key, value in parsed.items() if not isinstance(value, list)}
        routers.check_options(name, options, ())
        group = routers.find(name).group_images
        config = TextConfig(
            preset=preset,
            image_size=0,
            channels=0,
            classes=0,
            router=name,
            router_options=options,
            group_images=group,
            moe_blocks=models.moe_blocks(preset.moe_layers, preset.size.layers) if routed else (),
            precision=spec.precision,
            remat=spec.remat,
            vocabulary=vocabulary,
            length=spec.text_length,
        )
        if routed:
            shapes(config, text_router(config))
    except BadInput as mistake:
        raise BadInput(f"text_router: {mistake}", key="text_router") from mistake
    if spec.batch % group:
        raise BadInput(
            f"text_router '{name}' routes groups of {group} captions, which do not divide a batch of {spec.batch}: use "
            f"a batch that is a multiple of {group}.",
            key="text_router",
        )
    return config


def _resolve_pretrained(spec: CellSpec, found: "Format") -> ResolvedCell:
    """Resolve a cell that pre-trains its model: router and channels are those of the pre-training."""
    changes = {
        "data": spec.pretrain_data,
        "image_size": spec.pretrain_image_size,
        "augment": None,
        "steps": spec.pretrain_steps or spec.steps,
    }
    pretraining = resolve_cell(spec.model_copy(update=CellSpec.outside(Scope.PRETRAINING) | changes))
    start = spec.model_copy(update={"options": dict(pretraining.model.router_options), "total_slots": None})
    cell = resolve_for(start, found.image_size, pretraining.model.channels, found.classes)
    return replace(cell, spec=spec, pretraining=pretraining)


def _resolve_saved(spec: CellSpec, found: "Format") -> ResolvedCell:
    """Resolve a cell that starts from a saved model.

    The saved model gives the options that the specification leaves out.
    """
    from moebench import training  # counting needs no training
    from moebench.training import saved_models

    saved = saved_models.find(str(spec.init_from))
    known = routers.options(spec.router)
    options = {key: value for key, value in saved.about["options"].items() if key in known} | spec.options
    together = spec.group_images or saved.about.get("group_images")
    mlp_ratio = spec.mlp_ratio or saved.about.get("mlp_ratio")
    start = spec.model_copy(update={"options": options, "group_images": together, "mlp_ratio": mlp_ratio})
    cell = resolve_for(start, found.image_size, saved.about["channels"], found.classes)
    schedule = training.Schedule(steps=1, learning_rate=1.0, weight_decay=0.0, warmup=0.0, clip_norm=1.0)
    state = training.Program(cell.model, schedule, spec.batch).abstract_state
    saved.check(spec.model, cell.label, training.image_arrays(cell.model, state))
    return replace(cell, spec=spec, saved_model=digest([json.dumps(saved.about["digests"], sort_keys=True)]))


def _resolve_layer(spec: CellSpec) -> ResolvedCell:
    """Resolve a layer alone, by default at the image size of the published model."""
    preset = models.preset(spec.model)
    check_layer(spec)
    size = spec.image_size or preset.image_size
    return resolve_for(spec.model_copy(update={"image_size": size}), size, channels=3, classes=preset.classes)


def resolve_for(spec: CellSpec, image_size: int, channels: int, classes: int, truth: bool = False) -> ResolvedCell:
    """Resolve a specification for images of a given format, whatever its data set.

    Args:
        spec: the specification; the published model gives the options that are left out.
        image_size: side in pixels.
        channels: channels of the images.
        classes: classes of the images.
        truth: whether the router receives the truth about each patch.

    Raises:
        BadInput: as `resolve_cell`.
    """
    preset = _preset(spec)
    known = routers.options(spec.router)
    # A strategy without a limit of its own takes no limit from a model that was published with another strategy.
    options = {key: value for key, value in preset.options.items() if known.get(key) is not None} | spec.options
    routers.check_options(spec.router, options, CellSpec.keys())
    group_images = spec.group_images or routers.find(spec.router).group_images
    check_groups(spec, group_images)
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
        remat=spec.remat,
        truth=truth,
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
    check_mesh(spec, router.experts, group_images)
    model, tries = resolve_tries(spec, model)
    return ResolvedCell(spec, model, router, resolve_settings(spec.test_time, model), tries)


def _preset(spec: CellSpec) -> models.Preset:
    """Return the backbone with the specification's MLP width and initial positions."""
    preset = models.preset(spec.model)
    if spec.position_init is not None:
        preset = replace(preset, position_init=spec.position_init)
    if spec.mlp_ratio is None:
        return preset
    width = preset.size.width
    mlp = round(spec.mlp_ratio * width)
    if not mlp:
        raise BadInput(
            f"mlp_ratio={spec.mlp_ratio:g} leaves no MLP: model {spec.model} has the width {width}, so use at least "
            f"{1 / width:g}.",
            key="mlp_ratio",
        )
    return replace(preset, size=replace(preset.size, mlp=mlp))


def _slot_options(spec: CellSpec, model: VitConfig, slots: int) -> dict[str, Scalar]:
    """Return the options that give a router `slots` slots for each image.

    Evaluation gets the slots of training, unless the specification sets `eval_capacity_factor`.
    """
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
    factor = slots / (model.tokens * int(top_k or 1))
    own_limit = known["eval_capacity_factor"] is not None if "eval_capacity_factor" in known else False
    router = routers.find(spec.router)
    own_limit |= issubclass(router, routers.SparseRouter) and router.evaluation_is_unlimited
    # A model of the dense MLP's compute keeps that compute in evaluation, whatever the strategy's default for
    # evaluation.
    both = {"eval_capacity_factor": factor} if own_limit and "eval_capacity_factor" not in spec.options else {}
    return {option: factor, **both}
