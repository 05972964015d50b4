"""A case compiled for this machine's own processors is the program that a cell runs."""

from typing import Any

import jax
import pytest

from moebench.cells import count
from moebench.cells.compile import Executables, program_for
from moebench.measuring import peak_bytes
from moebench.planning.case import Case, Compiled, ProgramName, compile_case, failure, resolve
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import build_spec

ENTRY = {"router": "soft", "experts": 2, "model": "pico/8", "batch": 8, "precision": "mixed"}


@pytest.fixture(scope="module")
def spec() -> CellSpec:
    return build_spec(count.completed(ENTRY))


@pytest.fixture(scope="module")
def executables(spec: CellSpec) -> Executables:
    return Executables.compile(program_for(resolve(spec, True).model, spec))


@pytest.fixture(scope="module")
def compiled(spec: CellSpec) -> dict[ProgramName, Compiled]:
    programs: tuple[ProgramName, ...] = ("train", "infer")
    return {name: compile_case(Case(spec=spec, published=True, device="cpu", program=name)) for name in programs}


@pytest.mark.parametrize("name", ["train", "infer"])
def test_memory_is_that_of_the_cells_program_exactly(
    name: ProgramName, compiled: dict[ProgramName, Compiled], executables: Executables
) -> None:
    found = compiled[name].facts
    program: Any = executables.train_step if name == "train" else executables.infer
    plan = program.memory_analysis()
    assert found is not None
    assert found.peak_bytes == peak_bytes(program)
    assert (found.argument_bytes, found.temp_bytes) == (plan.argument_size_in_bytes, plan.temp_size_in_bytes)


def test_flops_are_those_that_the_command_flops_counts(spec: CellSpec, compiled: dict[ProgramName, Compiled]) -> None:
    counted = count.count(resolve(spec, True))
    assert compiled["train"].flops == counted.step.total
    assert compiled["infer"].flops == counted.forward.total


def test_flops_of_the_compiled_products_are_those_of_the_model(
    spec: CellSpec, compiled: dict[ProgramName, Compiled]
) -> None:
    found = compiled["infer"].facts
    assert found is not None
    assert found.product_flops == count.count(resolve(spec, True)).forward.total


def test_bytes_moved_are_near_those_that_the_compiler_counts(
    compiled: dict[ProgramName, Compiled], executables: Executables
) -> None:
    found = compiled["infer"].facts
    counted = executables.infer.cost_analysis()
    assert found is not None
    assert counted is not None
    assert found.moved_bytes == pytest.approx(counted["bytes accessed"], rel=0.1)
    assert found.compiler_flops == counted["flops"]


def test_the_state_is_overwritten(compiled: dict[ProgramName, Compiled], executables: Executables) -> None:
    found = compiled["train"].facts
    assert found is not None
    assert found.aliased_arguments == len(jax.tree.leaves(executables.program.abstract_state))


def test_messages_of_compilers() -> None:
    assert failure("\nRESOURCE_EXHAUSTED: 20 GB\nmore").status == "oom"
    assert failure("INTERNAL: no").model_dump()["reason"] == "INTERNAL: no"
    assert failure("INTERNAL: no").status == "crashed"
