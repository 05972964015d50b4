"""Programs over a mesh of devices, of one process or of several."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, use_abstract_mesh
from typing_extensions import override

from moebench.errors import BadInput
from moebench.models import VitConfig
from moebench.models.sharding import DATA, EXPERT, IMAGES, expert_axes
from moebench.models.stacked_arrays import is_stacked
from moebench.training.optimizer import Schedule
from moebench.training.program import EvalReport, Program, StepReport, TrainState

COORDINATOR, PROCESSES, PROCESS = "MOEBENCH_COORDINATOR", "MOEBENCH_PROCESSES", "MOEBENCH_PROCESS"


def join_processes(environment: Mapping[str, str]) -> None:
    """Join the processes that run one cell together, if the environment names them.

    The function must be called before JAX starts its devices.

    Args:
        environment: `MOEBENCH_COORDINATOR` is host:port of the first process, `MOEBENCH_PROCESSES` the number of
            processes, and `MOEBENCH_PROCESS` the number of this process, from 0. Without all three, nothing is done.

    Raises:
        BadInput: some of the three variables are missing, or a number is invalid.
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


def mesh(shape: tuple[int, int], devices: Sequence[jax.Device] | None = None) -> Mesh | None:
    """Return the devices of a cell as a mesh, or None for one device.

    Args:
        shape: parts of the images, parts of the experts.
        devices: devices to choose from; None: the machine's.

    Raises:
        BadInput: the machine has fewer devices, or the processes of the cell have more.
    """
    wanted, there = shape[0] * shape[1], list(devices or jax.devices())
    option = f"devices={shape[0]}x{shape[1]}"
    if wanted > len(there):
        raise BadInput(f"{option} are {wanted} devices, and here are {len(there)}.", key="devices")
    if jax.process_count() > 1 and wanted != len(there):
        raise BadInput(
            f"{option} are {wanted} devices, and all processes together have {len(there)}: use them all.",
            key="devices",
        )
    if wanted == 1:
        return None
    return jax.make_mesh(shape, (DATA, EXPERT), axis_types=(AxisType.Auto, AxisType.Auto), devices=there[:wanted])


class WideProgram(Program):
    """Program whose images, experts and slots are split over a mesh.

    Experts and slots are split over one axis of the mesh alone. All other arrays, such as the parameters of attention,
    are on every device. The optimiser's moments are on the devices of their parameters.
    """

    def __init__(self, config: VitConfig, schedule: Schedule, batch: int, mesh: Mesh) -> None:
        """Trace the shapes of the model.

        Args:
            config: the model.
            schedule: default hyperparameters of states.
            batch: images of a training step, on all devices together.
            mesh: mesh with the axes of `moebench.models.sharding`.
        """
        super().__init__(config, schedule, batch)
        self.mesh = mesh
        # A model without an MoE layer has no router: only its images can be split.
        self.experts = max((router.experts for router in self.routers), default=1)

    @property
    def shards(self) -> int:
        """Number of parts that a batch is split into."""
        return int(np.prod([self.mesh.shape[axis] for axis in IMAGES]))

    @override
    def init(self, seed: Any, schedule: Schedule | None = None) -> TrainState:
        return self._spread(super().init(seed, schedule))

    @override
    def train_step(self, state: TrainState, images: Any, labels: Any) -> tuple[TrainState, StepReport]:
        state, report = super().train_step(state, images, labels)
        return self._spread(state), self._everywhere(report)

    @override
    def gradient(self, state: TrainState, images: Any, labels: Any) -> tuple[Any, tuple[Any, Any, Any]]:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            return super().gradient(state, images, labels)

    @override
    def infer(self, state: TrainState, images: Any) -> Any:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            return super().infer(state, images)

    @override
    def evaluate(self, state: TrainState, images: Any, labels: Any, weights: Any) -> EvalReport:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            report: EvalReport = self._everywhere(super().evaluate(state, images, labels, weights))
        return report

    @cached_property
    @override
    def abstract_state(self) -> TrainState:
        state = super().abstract_state
        sharded: TrainState = jax.tree.map(_with_sharding, state, self._shardings(state))
        return sharded

    @override
    def abstract_images(self, count: int) -> Any:
        return self._split(super().abstract_images(count))

    @override
    def abstract_batch(self, count: int) -> tuple[Any, ...]:
        return tuple(map(self._split, super().abstract_batch(count)))

    @override
    def device_put(self, *arrays: Any) -> tuple[Any, ...]:
        return tuple(jax.make_array_from_callback(array.shape, self._images, array.__getitem__) for array in arrays)

    @property
    def _images(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(IMAGES))

    def _split(self, shape: Any) -> Any:
        """Return a shape over the images of a batch, split over the devices."""
        return _with_sharding(shape, self._images)

    def _shardings(self, state: TrainState) -> Any:
        def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
            # Parameters of experts, and the optimiser's moments of them.
            name = jax.tree_util.keystr(path)
            axis = int(is_stacked(name))
            of_experts = "['experts']" in name and leaf.shape[axis : axis + 1] == (self.experts,)
            split = [*[None] * axis, expert_axes(self.experts)] if of_experts else []
            return NamedSharding(self.mesh, PartitionSpec(*split))

        return jax.tree_util.tree_map_with_path(sharding, state)

    def _spread(self, state: TrainState) -> TrainState:
        spread: TrainState = jax.lax.with_sharding_constraint(state, self._shardings(state))
        return spread

    def _everywhere(self, values: Any) -> Any:
        return jax.lax.with_sharding_constraint(values, NamedSharding(self.mesh, PartitionSpec()))


def _with_sharding(shape: Any, sharding: NamedSharding) -> Any:
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)
