"""Count parameters, FLOPs and memory of a model with a router from shapes alone.

Nothing is allocated and nothing runs, so that the largest published models are counted on a laptop in seconds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from moebench import models, routers
from moebench.cells.checks import check_contrastive
from moebench.cells.resolve import resolve_for, text_tower, with_text_tower
from moebench.cells.resolved_cell import ResolvedCell
from moebench.errors import BadInput
from moebench.measuring import (
    Operations,
    Parameters,
    Parts,
    TrainMemory,
    count_layer_parameters,
    count_parameters,
    count_text_parameters,
    estimate,
    forward_flops,
    operations,
    padding,
    printed_train_flops,
    text_router,
    traced,
)
from moebench.models import TextConfig, TwoTowersConfig
from moebench.spec.cell_spec import CellSpec
from moebench.training import Program, Schedule, TwoTowersProgram, program_on_one_device

CHANNELS = 3
PAIRS = "scenes-8192"
"""Pairs that stand for the data when two towers are counted; no count depends on the data."""
VOCABULARY = 32_000
"""Vocabulary of a text tower if no captions are given: that of the public code of 2308.00951."""
# No count depends on the schedule.
_SCHEDULE = Schedule(steps=1, learning_rate=1e-3, weight_decay=0.1, warmup=0.0, clip_norm=1.0)


@dataclass(frozen=True)
class Count:
    """Costs of one model with one router."""

    cell: ResolvedCell
    program: Program
    """Programs of the model, for the cell's batch."""

    @property
    def batch(self) -> int:
        """Images of a batch of the traced programs."""
        return self.cell.spec.batch

    @cached_property
    def parameters(self) -> Parameters:
        """All parameters, and the parameters that one token can meet."""
        counted = count_layer_parameters if self.cell.spec.scope == "layer" else count_parameters
        image, text = counted(self.cell.model, self.cell.router), self.text_parameters
        if text is None:
            return image
        factors = 2 if self.cell.spec.contrastive_loss == "sigmoid" else 1  # of the cosines
        return Parameters(image.total + text.total + factors, image.active + text.active + factors)

    @cached_property
    def text(self) -> TextConfig | None:
        """Shape of the text tower; None for a model that classifies."""
        return self.cell.model.text if isinstance(self.cell.model, TwoTowersConfig) else None

    @cached_property
    def text_parameters(self) -> Parameters | None:
        """Parameters of the text tower, all and active; None without a text tower.

        A parameter is active if one token can meet it.
        """
        return None if self.text is None else count_text_parameters(self.text)

    @cached_property
    def text_closed_form(self) -> Parts | None:
        """FLOPs of the text tower for one caption by part; None without a text tower.

        The FLOPs follow from the shapes.
        """
        return None if self.text is None else forward_flops(self.text, text_router(self.text), training=False)

    @cached_property
    def text_forward(self) -> Operations | None:
        """Operations of embedding a batch of captions; None without a text tower."""
        if not isinstance(self.program, TwoTowersProgram):
            return None
        captions = self.program.abstract_captions(self.batch)
        return operations(traced(self.program.embed_texts, self.program.abstract_state, captions))

    @cached_property
    def closed_form(self) -> Parts:
        """FLOPs of the forward pass for one image by part, from the shapes."""
        return forward_flops(self.cell.model, self.cell.router, training=False)

    @cached_property
    def forward(self) -> Operations:
        """Operations of inference on a batch."""
        images = self.program.abstract_images(self.batch)
        return operations(traced(self.program.infer, self.program.abstract_state, images))

    @cached_property
    def step(self) -> Operations:
        """Operations of a training step on a batch, without the optimiser, which has no products."""
        return operations(self._gradient)

    @cached_property
    def memory(self) -> TrainMemory:
        """Estimated memory of a training step on a batch."""
        state = self.program.abstract_state
        return estimate(state.parameters, state.optimizer, self._gradient)

    @cached_property
    def _gradient(self) -> Any:
        return traced(self.program.gradient, self.program.abstract_state, *self.program.abstract_batch(self.batch))

    def record(self) -> dict[str, Any]:
        """Return all counts as plain values by name.

        FLOPs are of the forward pass for one image: `parts` by part of the program, `operations` by operation of the
        program, `closed_form` from the shapes alone, and `elementwise` for operations that no other entry includes.
        `flops_padding` is the share of `experts` for slots that no routing can fill; an evaluation finds more empty
        slots. `slots` are the slots of each expert for one group. Bytes are estimates.
        """
        model, forward, memory = self.cell.model, self.forward, self.memory
        has_experts = bool(model.moe_blocks)
        inputs = {key: value if has_experts else None for key, value in self.cell.inputs.items()}
        per_image = {part: flops / self.batch for part, flops in asdict(forward.parts).items()}
        return {
            "model": self.cell.spec.model,
            "router": self.cell.label,
            "image_size": model.image_size,
            "classes": model.classes,
            "tokens_per_image": model.tokens,
            "batch": self.batch,
            "precision": model.precision,
            "group_images": inputs["group_images"],
            "moe_layers": inputs["moe_layers"],
            "dispatch": inputs["dispatch"],
            "experts": inputs["experts"],
            "slots": inputs["slots_per_expert"],
            "total_slots": inputs["total_slots"],
            "effective_capacity_factor": inputs["effective_capacity_factor"],
            "eval_slots": inputs["eval_slots_per_expert"],
            "eval_total_slots": inputs["eval_total_slots"],
            "params": self.parameters.total,
            "params_active": self.parameters.active,
            "flops_forward_per_image": forward.total / self.batch,
            "flops_train_per_image": self.step.total / self.batch,
            "flops_train_per_image_as_printed": printed_train_flops(forward.parts, self.step.parts) / self.batch,
            "flops_padding": per_image["experts"] * padding(model, self.cell.router, training=False),
            **self._text_record,
            "parts": per_image,
            "closed_form": asdict(self.closed_form),
            "operations": {name: flops / self.batch for name, flops in forward.by_name.items()},
            "elementwise": {name: flops / self.batch for name, flops in forward.left_out.items()},
            "parameter_bytes": memory.parameters,
            "gradient_bytes": memory.gradients,
            "optimizer_bytes": memory.optimizer,
            "activation_bytes": memory.activations,
            "train_bytes_estimate": memory.total,
        }

    @property
    def _text_record(self) -> dict[str, Any]:
        """Entries of `record` on a text tower; empty without a text tower."""
        forward, closed = self.text_forward, self.text_closed_form
        if self.text is None or self.text_parameters is None or forward is None or closed is None:
            return {}
        return {
            "text_model": self.cell.spec.text_model,
            "text_router": self.cell.spec.text_router or "dense",
            "text_length": self.text.length,
            "text_vocabulary": self.text.vocabulary,
            "text_params": self.text_parameters.total,
            "flops_forward_per_text": forward.total / self.batch,
            "text_parts": {part: flops / self.batch for part, flops in asdict(forward.parts).items()},
            "text_closed_form": asdict(closed),
        }


def completed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a suite entry by the model's own router and a batch of one group.

    Keys that the entry has stay as they are.

    Args:
        entry: one value for each key, `model` among them.

    Raises:
        BadInput: an unknown model or router.
    """
    values = {"router": models.preset(entry["model"]).router, **entry}
    group = values.get("group_images") or routers.find(values["router"]).group_images
    return {"batch": group, **values}


def resolved(spec: CellSpec, image_size: int | None = None, classes: int | None = None) -> ResolvedCell:
    """Resolve the model of a specification, whatever its data set.

    A dense model has MLPs in all blocks.

    Args:
        spec: the specification; data set and schedule have no effect.
        image_size: side in pixels; None takes the size that the model was published for.
        classes: number of classes; None takes the number that the model was published for.

    Raises:
        BadInput: as `resolve_for`.
    """
    cell = resolve_published(spec, image_size, classes)
    if spec.router != "dense":
        return cell
    return replace(cell, model=replace(cell.model, moe_blocks=()))


def resolve_published(spec: CellSpec, image_size: int | None = None, classes: int | None = None) -> ResolvedCell:
    """Resolve a specification for the images of its model's publication, whatever its data set.

    A text tower has the vocabulary of the Soft MoE paper's public code.

    Args:
        spec: the specification; data set and schedule have no effect.
        image_size: side in pixels; None takes the specification's or the published size.
        classes: number of classes; None takes the number that the model was published for.

    Raises:
        BadInput: as `resolve_for`, and for a layer alone.
    """
    preset = models.preset(spec.model)
    if spec.scope == "layer":
        raise BadInput("whole models are counted here: leave scope=layer out.", key="scope")
    check_contrastive(spec)
    size = image_size or spec.image_size or preset.image_size
    if spec.text_model is None:
        return resolve_for(spec, size, CHANNELS, classes or preset.classes)
    towers = with_text_tower(resolve_for(spec, size, CHANNELS, classes=0), text_tower(spec, VOCABULARY))
    return replace(towers, spec=spec.model_copy(update={"data": PAIRS}))


def count(cell: ResolvedCell) -> Count:
    """Return the counts of a cell's model."""
    return Count(cell, program_on_one_device(cell.model, _SCHEDULE, cell.spec.batch))
