"""What a model with a router costs, from shapes alone: nothing is allocated and nothing runs.

So the largest published models are counted on a laptop in seconds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from moebench import models, routers
from moebench.measuring import (
    Operations,
    Parameters,
    Parts,
    TrainMemory,
    count_parameters,
    estimate,
    forward_flops,
    operations,
    padding,
    printed_train_flops,
    traced,
    train_flops,
)
from moebench.resolving import ResolvedCell, resolve_for
from moebench.suites.grid import build_spec
from moebench.training import Program, Schedule

CHANNELS = 3
# No count depends on how long or how fast a model is trained.
_SCHEDULE = Schedule(steps=1, learning_rate=1e-3, weight_decay=0.1, warmup=0.0, clip_norm=1.0)


@dataclass(frozen=True)
class Count:
    """The costs of one model with one router."""

    cell: ResolvedCell
    """What is counted; the dense model has MLPs in all blocks, none of them taken for an expert."""

    @property
    def batch(self) -> int:
        """Images of the programs that are traced."""
        return self.cell.spec.batch

    @cached_property
    def parameters(self) -> Parameters:
        """All, and those that one token can meet."""
        return count_parameters(self.cell.model, self.cell.router)

    @cached_property
    def closed_form(self) -> Parts:
        """FLOPs of the forward pass for one image by part, from the shapes."""
        return forward_flops(self.cell.model, self.cell.router)

    @cached_property
    def closed_form_of_training(self) -> Parts:
        """The same of a training step."""
        return train_flops(self.cell.model, self.cell.router)

    @cached_property
    def forward(self) -> Operations:
        """The operations of inference on a batch."""
        images, _ = self._program.abstract_batch(self.batch)
        return operations(traced(self._program.infer, self._program.abstract_state, images))

    @cached_property
    def step(self) -> Operations:
        """The operations of a training step on a batch, without the optimiser, which has no products."""
        return operations(self._gradient)

    @cached_property
    def memory(self) -> TrainMemory:
        """An estimate for a training step on a batch."""
        state = self._program.abstract_state
        return estimate(state.parameters, state.optimizer, self._gradient)

    @cached_property
    def _program(self) -> Program:
        return Program(self.cell.model, _SCHEDULE, self.batch)

    @cached_property
    def _gradient(self) -> Any:
        return traced(self._program.gradient, self._program.abstract_state, *self._program.abstract_batch(self.batch))

    def record(self) -> dict[str, Any]:
        """Everything as plain values, by name.

        `parts`, `closed_form` and `elementwise` are of the forward pass for one image: the program's, those that the
        shapes give, and those left out. `flops_padding` are those of `experts` for slots that no routing can fill;
        which others stay empty, an evaluation tells. `slots` are of each expert for one group. Bytes are estimates.
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
            "params": self.parameters.total,
            "params_active": self.parameters.active,
            "flops_forward_per_image": forward.total / self.batch,
            "flops_train_per_image": self.step.total / self.batch,
            "flops_train_per_image_as_printed": printed_train_flops(forward.parts, self.step.parts) / self.batch,
            "flops_padding": per_image["experts"] * padding(model, self.cell.router),
            "parts": per_image,
            "closed_form": asdict(self.closed_form),
            "elementwise": {name: flops / self.batch for name, flops in forward.left_out.items()},
            "parameter_bytes": memory.parameters,
            "gradient_bytes": memory.gradients,
            "optimizer_bytes": memory.optimizer,
            "activation_bytes": memory.activations,
            "train_bytes_estimate": memory.total,
        }


def count(entry: Mapping[str, Any], image_size: int | None = None, classes: int | None = None) -> Count:
    """Count what an entry of a suite would build, whatever its data set.

    Args:
        entry: one value for each key, `model` among them; without a router the model's own, without a batch one group.
        image_size: pixels of a side; None takes what the model was published for.
        classes: likewise.

    Raises:
        BadInput: an entry that cannot be built.
    """
    preset = models.preset(entry["model"])
    values = {"router": preset.router, **entry}
    group = values.get("group_images") or routers.find(values["router"]).group_images
    spec = build_spec({"batch": group, **values})
    cell = resolve_for(spec, image_size or preset.image_size, CHANNELS, classes or preset.classes)
    if spec.router == "dense":
        cell = replace(cell, model=replace(cell.model, moe_blocks=()))
    return Count(cell)
