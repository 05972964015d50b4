"""What XLA makes of training steps for an H200 that is not there: products, donation, gathers, sorts, temporaries.

Nothing runs and nothing is timed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import pytest

from moebench.cells.compile import compile_train_step, program_for
from moebench.cells.resolved_cell import ResolvedCell
from moebench.errors import BadInput
from moebench.measuring.compiled.hlo_text import Computation, Module, Operation
from moebench.measuring.compiled.products import product_flops
from moebench.planning.case import resolve
from moebench.planning.devices import find
from moebench.planning.facts import is_host_transfer
from moebench.planning.target import absent_devices, check_compiler, environment
from moebench.spec.entry import build_spec, parse_cell
from moebench.training import Program

pytestmark = pytest.mark.aot

H200 = find("h200")
# One layer of S/16, wide enough that arrays of tokens outweigh the 32 MiB in which a product of cuBLAS may work.
LAYER = {"model": "s/16", "batch": 64, "precision": "mixed", "scope": "layer"}
# A whole model, for the attention, the head and the optimiser.
MODEL = {"model": "pico/4", "batch": 64, "precision": "mixed", "data": "fractals-16", "steps": 10}
ROUTERS = ("soft[experts=32]", "tokens-choice[experts=32]", "bpr[experts=32]", "experts-choice[experts=32]")
WITHOUT_SORT = ("dense", "soft[experts=32]")


@dataclass(frozen=True)
class Compiled:
    """A training step for an H200."""

    cell: ResolvedCell
    program: Program
    compiled: jax.stages.Compiled
    module: Module

    @property
    def temp_bytes(self) -> int:
        """Return the bytes of the temporaries."""
        plan = self.compiled.memory_analysis()
        assert plan is not None
        return plan.temp_size_in_bytes

    @property
    def products(self) -> Iterator[tuple[Computation, Operation]]:
        """Yield the products, in fusions as well."""
        for computation in self.module.computations.values():
            for operation in computation.operations:
                if operation.opcode in ("dot", "convolution") or "cublas" in operation.target:
                    yield computation, operation

    def float32_products(self) -> list[str]:
        """Return the JAX operations of products of which a factor is float32."""
        return [
            operation.scope
            for computation, operation in self.products
            if any(computation.by_name[name].types[0].dtype == "f32" for name in operation.operands[:2])
        ]

    def scopes(self, opcode: str) -> list[str]:
        """Return the JAX operations of which operations of a kind come."""
        return [operation.scope for operation in self.module.operations if operation.opcode == opcode]


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> Iterator[None]:
    try:
        check_compiler(H200)
    except BadInput as missing:
        pytest.skip(str(missing))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(H200, 1).items():
            patch.setenv(name, value)
        jax.config.update("jax_enable_compilation_cache", False)
        yield
        jax.config.update("jax_enable_compilation_cache", True)


@cache
def step(router: str, **values: Any) -> Compiled:
    """Compile the training step of a cell."""
    spec = build_spec({**values, **parse_cell(router)})
    cell = resolve(spec, published=False)
    program = program_for(cell.model, spec)
    (device,) = absent_devices(H200, 1)
    compiled = compile_train_step(program, device)
    return Compiled(cell, program, compiled, Module.parse(str(compiled.as_text())))


def layer(router: str) -> Compiled:
    return step(router, **LAYER)


@pytest.mark.parametrize("router", ["soft[experts=4]", "experts-choice[experts=4]"])
def test_a_step_overwrites_its_whole_state_and_never_meets_the_host(router: str) -> None:
    found = step(router, **MODEL)
    state = len(jax.tree.leaves(found.program.abstract_state))
    assert found.module.aliased_parameters == set(range(state))
    plan = found.compiled.memory_analysis()
    assert plan is not None
    # All outputs but the report: the loss, the accuracy, the norm of the gradient and the table of the tuple.
    assert plan.output_size_in_bytes - plan.alias_size_in_bytes < 16 * (state + 8)
    assert not [operation.name for operation in found.module.operations if is_host_transfer(operation)]


@pytest.mark.parametrize("router", ["soft[experts=4]", "experts-choice[experts=4]"])
def test_products_in_mixed_precision_are_of_bfloat16_outside_router_and_head(router: str) -> None:
    found = step(router, **MODEL)
    full = found.float32_products()
    assert [scope for scope in full if "head" in scope]
    assert [scope for scope in full if "router" in scope]
    assert not [scope for scope in full if "head" not in scope and "router" not in scope]


@pytest.mark.parametrize("router", ROUTERS)
def test_products_of_layers_are_of_bfloat16_outside_the_router(router: str) -> None:
    assert not [scope for scope in layer(router).float32_products() if "router" not in scope]


def moving_products(found: Compiled) -> list[str]:
    return [operation.scope for _, operation in found.products if "dispatch_combine" in operation.scope]


@pytest.mark.parametrize("router", ["tokens-choice[experts=32]", "bpr[experts=32]", "experts-choice[experts=32]"])
def test_gathered_tokens_are_moved_by_no_product(router: str) -> None:
    found = layer(router)
    assert moving_products(found) == []
    assert [scope for scope in found.scopes("gather") if "dispatch_combine" in scope]


def test_dispatch_by_einsum_is_a_product() -> None:
    assert moving_products(layer("experts-choice[experts=32,dispatch=einsum]"))


def test_ragged_experts_multiply_no_row_by_the_kernels_of_all() -> None:
    # Each token meets one expert of 32, in blocks that are padded by half at most.
    found, dense = (product_flops(layer(router).module) for router in ("dropless[experts=32,top_k=1]", "dense"))
    assert found is not None
    assert dense is not None
    assert dense < found < 1.6 * dense


@pytest.mark.parametrize("router", [*ROUTERS, "dense"])
def test_only_routers_that_choose_sort(router: str) -> None:
    scopes = layer(router).scopes("sort")
    assert all("router" in scope for scope in scopes)
    assert bool(scopes) == (router not in WITHOUT_SORT)


@pytest.mark.parametrize("router", ROUTERS)
def test_temporaries_are_near_those_of_the_dense_layer(router: str) -> None:
    found, dense = layer(router), layer("dense")
    slots = found.cell.inputs["slots_per_image"] * LAYER["batch"]
    width = found.cell.model.preset.size.width
    # Inputs and outputs of all slots in bfloat16.
    assert found.temp_bytes <= 1.3 * dense.temp_bytes + 2 * 2 * slots * width
