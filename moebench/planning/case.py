"""Compile one program of one cell for a device, and read the facts.

This program runs in a process of its own.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from moebench import routers
from moebench.cells.compile import compile_infer, compile_train_step, program_for
from moebench.cells.count import Count, resolve_published
from moebench.cells.resolve import resolve_cell
from moebench.cells.resolved_cell import ResolvedCell
from moebench.errors import BadInput
from moebench.files import publishing
from moebench.measuring.environment import pin_jax_settings
from moebench.models import VitConfig
from moebench.planning.devices import find
from moebench.planning.facts import Facts, read_facts
from moebench.planning.target import absent_devices
from moebench.spec.cell_spec import CellSpec
from moebench.training import Program, program_on_one_device

ProgramName = Literal["train", "infer"]


class Case(BaseModel):
    """One program to compile."""

    model_config = ConfigDict(frozen=True)

    spec: CellSpec
    published: bool
    """Whether images are of the size that the model was published for, whatever the data set."""
    device: str
    program: ProgramName


class Compiled(BaseModel):
    """Facts of a compiled case, or the reason why there are none.

    The facts come with the FLOPs of the whole batch.
    """

    model_config = ConfigDict(frozen=True)

    facts: Facts | None = None
    flops: float = 0.0
    """FLOPs of all devices together, as `moebench flops` counts them, without padding."""
    status: str | None = None
    """oom, timeout or crashed if there are no facts."""
    reason: str | None = None


def resolve(spec: CellSpec, published: bool) -> ResolvedCell:
    """Resolve the specification of a case.

    Args:
        spec: specification of the cell.
        published: as in `Case`.

    Raises:
        BadInput: as `resolve_cell`.
    """
    for plugin in spec.plugins:
        routers.load_plugin(Path(plugin))
    return resolve_published(spec) if published else resolve_cell(spec)


def compile_case(case: Case) -> Compiled:
    """Compile the program of a case and read its facts.

    Raises:
        BadInput: as `resolve_cell`.
    """
    device = find(case.device)
    cell = resolve(case.spec, case.published)
    data, experts = case.spec.mesh_shape
    there: Sequence[Any] = absent_devices(device, data * experts)
    program = program_for(cell.model, case.spec, there)
    single = there[0] if data * experts == 1 and device.platform != "cpu" else None
    began = time.perf_counter()
    if case.program == "train":
        compiled = compile_train_step(program, single)
    else:
        compiled = compile_infer(program, case.spec.batch, single)
    seconds = time.perf_counter() - began
    order = program.mesh.devices.flat if hasattr(program, "mesh") else there[:1]
    hosts = [each.process_index for each in order]
    counted = Count(cell, _on_one_device(cell.model, program))
    return Compiled(
        facts=read_facts(compiled, hosts, device.cache_bytes, seconds),
        flops=(counted.step if case.program == "train" else counted.forward).total,
    )


def _on_one_device(model: VitConfig, program: Program) -> Program:
    """Return the programs of a model without its mesh.

    The FLOPs of these programs are those of all devices together.
    """
    return program_on_one_device(model, program.schedule, program.batch) if hasattr(program, "mesh") else program


def main(argv: list[str]) -> int:
    """Compile the case in the file `argv[0]`; write its result into the file `argv[1]`."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_compilation_cache", False)  # a stored program has no text
    pin_jax_settings()
    try:
        answer = compile_case(Case.model_validate_json(Path(argv[0]).read_bytes()))
    except BadInput as mistake:
        answer = Compiled(status="crashed", reason=str(mistake))
    except jax.errors.JaxRuntimeError as error:
        answer = failure(str(error))
    with publishing(Path(argv[1])) as temporary:
        temporary.write_text(answer.model_dump_json(), encoding="utf-8")
    return 0


def failure(message: str) -> Compiled:
    """Return the result of a compilation that failed with a message of the compiler."""
    first = next((line.strip() for line in message.splitlines() if line.strip()), "no message")
    status = "oom" if "RESOURCE_EXHAUSTED" in message or "out of memory" in message else "crashed"
    return Compiled(status=status, reason=first if len(first) <= 300 else first[:297] + "...")
