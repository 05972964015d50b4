"""Programs that take several devices, of one process or of several."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, use_abstract_mesh

from moebench.errors import BadInput
from moebench.models import VitConfig
from moebench.models.sharding import DATA, EXPERT, expert_axes, image_axes
from moebench.training.optimizer import Schedule
from moebench.training.program import EvalReport, Program, StepReport, TrainState

COORDINATOR, PROCESSES, PROCESS = "MOEBENCH_COORDINATOR", "MOEBENCH_PROCESSES", "MOEBENCH_PROCESS"


def join_processes(environment: Mapping[str, str]) -> None:
    """Become one of the processes that work on a cell together, if the environment says so.

    `MOEBENCH_COORDINATOR` is host:port of the first process, `MOEBENCH_PROCESSES` how many there are, and
    `MOEBENCH_PROCESS` which one this is, from 0. Comes before anything that asks JAX for devices.

    Raises:
        BadInput: some of the three are missing or make no sense.
    """
    given = {name: environment[name] for name in (COORDINATOR, PROCESSES, PROCESS) if environment.get(name)}
    if not given:
        return
    missing = [name for name in (COORDINATOR, PROCESSES, PROCESS) if name not in given]
    if missing:
        raise BadInput(f"{', '.join(given)} given without {', '.join(missing)}: processes that share a cell need all.")
    count, number = given[PROCESSES], given[PROCESS]
    if not (count.isdecimal() and number.isdecimal() and int(number) < int(count)):
        raise BadInput(f"{PROCESS}={number} with {PROCESSES}={count} is none of them: they count from 0.")
    jax.distributed.initialize(given[COORDINATOR], num_processes=int(count), process_id=int(number))


def mesh(shape: tuple[int, int]) -> Mesh | None:
    """The devices of a cell, as many as it splits its images over times those it splits its experts over.

    None for a single device, which needs no mesh.

    Raises:
        BadInput: so many devices are not there; or processes are, whose devices would stand idle.
    """
    wanted, there = shape[0] * shape[1], jax.devices()
    asked = f"devices={shape[0]}x{shape[1]}"
    if wanted > len(there):
        raise BadInput(f"{asked} are {wanted} devices, and here are {len(there)}.", key="devices")
    if jax.process_count() > 1 and wanted != len(there):
        raise BadInput(
            f"{asked} are {wanted} devices, and all processes together have {len(there)}: use them all.",
            key="devices",
        )
    if wanted == 1:
        return None
    return jax.make_mesh(shape, (DATA, EXPERT), axis_types=(AxisType.Auto, AxisType.Auto), devices=there[:wanted])


class WideProgram(Program):
    """A program whose images, experts and slots are split over a mesh; everything else is on every device."""

    def __init__(self, config: VitConfig, schedule: Schedule, batch: int, mesh: Mesh) -> None:
        super().__init__(config, schedule, batch)
        self.mesh = mesh
        # A model without a MoE layer has no router, and nothing to split but its images.
        self.experts = max((router.experts for router in self.routers), default=1)

    @property
    def shards(self) -> int:
        """Parts that a batch is split into."""
        return int(np.prod([self.mesh.shape[axis] for axis in image_axes(self.experts)]))

    def init(self, seed: Any) -> TrainState:
        return self._spread(super().init(seed))

    def train_step(self, state: TrainState, images: Any, labels: Any) -> tuple[TrainState, StepReport]:
        state, report = super().train_step(state, images, labels)
        return self._spread(state), self._everywhere(report)

    def gradient(self, state: TrainState, images: Any, labels: Any) -> tuple[Any, tuple[Any, Any, Any]]:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            return super().gradient(state, images, labels)

    def infer(self, state: TrainState, images: Any) -> Any:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            return super().infer(state, images)

    def evaluate(self, state: TrainState, images: Any, labels: Any, weights: Any) -> EvalReport:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            report: EvalReport = self._everywhere(super().evaluate(state, images, labels, weights))
        return report

    @cached_property
    def abstract_state(self) -> TrainState:
        state = super().abstract_state
        lying: TrainState = jax.tree.map(_lying, state, self._shardings(state))
        return lying

    def abstract_batch(self, count: int) -> tuple[Any, ...]:
        return tuple(_lying(shape, self._images) for shape in super().abstract_batch(count))

    def device_put(self, *arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.make_array_from_callback(array.shape, self._images, array.__getitem__) for array in arrays)

    @property
    def _images(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(image_axes(self.experts)))

    def _shardings(self, state: TrainState) -> Any:
        def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
            # Parameters of experts, and what the optimiser holds beside each of them.
            of_experts = "['experts']" in jax.tree_util.keystr(path) and leaf.shape[:1] == (self.experts,)
            spec = PartitionSpec(expert_axes(self.experts)) if of_experts else PartitionSpec()
            return NamedSharding(self.mesh, spec)

        return jax.tree_util.tree_map_with_path(sharding, state)

    def _spread(self, state: TrainState) -> TrainState:
        spread: TrainState = jax.lax.with_sharding_constraint(state, self._shardings(state))
        return spread

    def _everywhere(self, values: Any) -> Any:
        return jax.lax.with_sharding_constraint(values, NamedSharding(self.mesh, PartitionSpec()))


def _lying(shape: Any, sharding: NamedSharding) -> Any:
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)
