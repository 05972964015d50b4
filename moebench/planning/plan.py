"""Plan a cell for a device: memory, time bounds and largest batch.

A plan compiles the cell's programs and checks whether they fit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from moebench.cells import count
from moebench.cells.resolved_cell import ResolvedCell
from moebench.errors import BadInput
from moebench.executors.memory_limit import usable_bytes
from moebench.planning.bounds import Bound, bound
from moebench.planning.case import Case, Compiled, ProgramName, resolve
from moebench.planning.devices import Device
from moebench.planning.facts import Facts
from moebench.planning.target import check_mesh
from moebench.spec.cell_spec import CellSpec

_CLOSE = 1.04
"""The search for the largest batch ends when the next guess is nearer than this."""
_MOST_TRIES = 4
_RAISED_SHARE = 0.95
"""Largest share of a GPU's memory that XLA_PYTHON_CLIENT_MEM_FRACTION is commonly raised to."""


@dataclass(frozen=True)
class ProgramPlan:
    """Plan of one program of a cell, or why it did not compile."""

    facts: Facts | None
    flops: float
    """FLOPs of one call on all devices together."""
    bound: Bound | None
    fits: str
    """yes, raised (only with a raised XLA_PYTHON_CLIENT_MEM_FRACTION), or no; empty without facts."""
    status: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class CellPlan:
    """Plan of one cell."""

    cell: ResolvedCell
    device: Device
    params: int
    train: ProgramPlan
    infer: ProgramPlan
    largest_batch: int | None
    """Largest batch of a training step that was found to fit; None if none was found, or the search was skipped."""
    too_large_batch: int | None
    """Smallest batch that was found not to fit; None if there is none."""

    @property
    def failed(self) -> bool:
        """Whether a program did not compile, for a reason other than the device's size."""
        return any(each.status not in (None, "oom") for each in (self.train, self.infer))

    @cached_property
    def train_steps(self) -> int:
        """Training steps of all seeds of the cell, including its tries and its pre-training.

        A layer alone is not trained.
        """
        if self.cell.spec.scope == "layer":
            return 0
        spec, steps = self.cell.spec, self.cell.spec.steps
        tried = steps * len(self.cell.tries) if len(self.cell.tries) > 1 else 0
        before = (spec.pretrain_steps or steps) if spec.pretrain_data is not None else 0
        return len(spec.seeds) * (steps + before) + tried

    @property
    def device_hours(self) -> float | None:
        """Lower bound of the device-hours of the training; None without a bound."""
        if self.train.bound is None:
            return None
        data, experts = self.cell.spec.mesh_shape
        return self.train_steps * self.train.bound.seconds * data * experts / 3600


CompileCase = Callable[[Case, str], Compiled]


def check(spec: CellSpec, published: bool, device: Device) -> ResolvedCell:
    """Return the resolved cell of a specification, if the device can be planned for.

    Args:
        spec: specification of the cell.
        published: whether images are of the size that the model was published for, whatever the data set.
        device: the kind of device.

    Raises:
        BadInput: a mistake in the specification, or devices that fill no host or slice.
    """
    data, experts = spec.mesh_shape
    check_mesh(device, data * experts)
    cell = resolve(spec, published)
    if data * experts > 1 and spec.scope == "layer":
        raise BadInput(f"scope=layer is for one device: leave devices={spec.devices} out.", key="devices")
    return cell


def plan_cell(
    spec: CellSpec, published: bool, device: Device, compile_case: CompileCase, *, search: bool = True
) -> CellPlan:
    """Return the plan of a cell.

    Args:
        spec: specification of the cell.
        published: as in `check`.
        device: the kind of device.
        compile_case: compiles a case; its second argument names the case to the user.
        search: whether to search for the largest batch.

    Raises:
        BadInput: as `check`.
    """
    cell = check(spec, published, device)
    planner = _Planner(cell, published, device, compile_case)
    train, infer = planner.program("train", spec.batch), planner.program("infer", spec.batch)
    largest, too_large = planner.largest_batch(train) if search else (None, None)
    return CellPlan(cell, device, count.count(cell).parameters.total, train, infer, largest, too_large)


@dataclass(frozen=True)
class _Planner:
    cell: ResolvedCell
    published: bool
    device: Device
    compile_case: CompileCase

    @property
    def devices(self) -> int:
        data, experts = self.cell.spec.mesh_shape
        return data * experts

    @property
    def memory(self) -> int:
        """Bytes of the memory of one device."""
        return self.device.memory_bytes or usable_bytes()

    def program(self, name: ProgramName, batch: int) -> ProgramPlan:
        """Return the plan of a program for a batch."""
        spec = self.cell.spec.model_copy(update={"batch": batch})
        case = Case(spec=spec, published=self.published, device=self.device.name, program=name)
        found = self.compile_case(case, f"{self.cell.label} {_WORDS[name]}, batch {batch}")
        if found.facts is None:
            fits = "no" if found.status == "oom" else ""
            return ProgramPlan(None, math.nan, None, fits, found.status, found.reason)
        bounded = bound(found.facts, found.flops, self.device, self.devices, spec.precision)
        return ProgramPlan(found.facts, found.flops, bounded, self._fits(found.facts))

    def largest_batch(self, planned: ProgramPlan) -> tuple[int | None, int | None]:
        """Return the largest training batch found to fit, and the smallest found too large.

        Bytes grow linearly with the batch, apart from the compiler's rounding: each guess lies on the line through the
        two largest batches that were compiled.

        Args:
            planned: the plan of the training step for the cell's own batch.
        """
        limit, unit = self.device.usable_share * self.memory, self._unit()
        batch = self.cell.spec.batch
        peaks = {batch: planned.facts.peak_bytes} if planned.facts else {}
        fitting = {batch} if planned.facts and planned.facts.peak_bytes <= limit else set()
        too_large = set() if fitting else {batch}
        if planned.status not in (None, "oom"):
            return None, None
        for _ in range(_MOST_TRIES):
            guess = _guess(peaks, limit, self._fixed_bytes(planned)) if peaks else batch / 4
            most, least = min(too_large, default=math.inf), max(fitting, default=0)
            if guess >= most or guess <= least:
                guess = (most + least) / 2 if too_large else guess
            if math.isinf(guess):
                break
            tried = _rounded(guess, unit)
            if tried in fitting | too_large or (fitting and min(tried, most) <= least * _CLOSE):
                break
            found = self.program("train", tried)
            if found.facts is None and found.status != "oom":
                break
            if found.facts is not None:
                peaks[tried] = found.facts.peak_bytes
            (fitting if found.facts is not None and found.facts.peak_bytes <= limit else too_large).add(tried)
        return max(fitting, default=None), min(too_large, default=None)

    def _fixed_bytes(self, planned: ProgramPlan) -> float:
        """Return the bytes of the state, which do not grow with the batch.

        The bytes are a lower bound of all bytes of a training step that do not grow with the batch.
        """
        return planned.facts.alias_bytes if planned.facts else 0.0

    def _unit(self) -> int:
        """Return the number of images that every batch must be a multiple of."""
        data, experts = self.cell.spec.mesh_shape
        return math.lcm(data * experts, data * self.cell.model.group_images)

    def _fits(self, facts: Facts) -> str:
        share = facts.peak_bytes / self.memory
        if share <= self.device.usable_share:
            return "yes"
        return "raised" if self.device.platform == "cuda" and share <= _RAISED_SHARE else "no"


def _rounded(batch: float, unit: int) -> int:
    """Return a batch, rounded down to a multiple of a unit.

    The number of units has at most five binary digits before its zeros, and is at least one. Batches such as 1856
    divide well among the units of a device; 1859 would be padded, and compiles for longer.
    """
    units = max(1, int(batch // unit))
    step = 1 << max(0, units.bit_length() - 5)
    return units // step * step * unit


_WORDS = {"train": "training step", "infer": "inference"}


def _guess(peaks: dict[int, float], limit: float, fixed: float) -> float:
    """Return the batch at which the line through the two largest batches reaches `limit`.

    With one batch only, the line begins at `fixed`.
    """
    (larger, most), *others = sorted(peaks.items(), reverse=True)
    smaller, least = others[0] if others else (0, fixed)
    slope = (most - least) / (larger - smaller)
    return larger + (limit - most) / slope if slope > 0 else math.inf if most <= limit else 0.0
