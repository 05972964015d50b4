"""Training steps of whole models and passes of single MoE layers, compiled before the clock starts."""

from typing import Any

import jax
import numpy as np
import pytest

from moebench.cells.compile import Executables, program_for
from moebench.cells.resolve import resolve_cell
from moebench.data import Split
from moebench.spec.cell_spec import CellSpec, Scope
from moebench.training import LayerProgram

ROUTERS: dict[str, dict[str, Any]] = {
    "dense": {},
    "switch": {"experts": 8},
    "tokens-choice": {"experts": 8, "top_k": 2},
    "bpr": {"experts": 8, "top_k": 2},
    "experts-choice": {"experts": 8},
    "soft": {"experts": 8},
    "loss-free": {"experts": 8, "top_k": 2},
    "dropless": {"experts": 8, "top_k": 2},
}


def executables(router: str, scope: Scope) -> Executables:
    cell = resolve_cell(CellSpec(router=router, options=ROUTERS[router], batch=64, scope=scope))
    return Executables.compile(program_for(cell.model, cell.spec))


def random_batch(compiled: Executables) -> Split:
    if isinstance(compiled.program, LayerProgram):
        return compiled.program.random_tokens()
    images, labels = compiled.program.abstract_batch(compiled.program.batch)
    drawn = np.random.default_rng(0).normal(size=images.shape).astype(images.dtype)
    return Split(drawn, np.zeros(labels.shape, labels.dtype))


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("scope", ["model", "layer"])
def test_training_step(benchmark: Any, router: str, scope: Scope) -> None:
    compiled = executables(router, scope)
    step = compiled.train_step_call(random_batch(compiled))
    benchmark.pedantic(lambda: jax.block_until_ready(step()), rounds=30, warmup_rounds=3)


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("scope", ["model", "layer"])
def test_inference(benchmark: Any, router: str, scope: Scope) -> None:
    compiled = executables(router, scope)
    images = random_batch(compiled).images
    call = compiled.infer_call(compiled.infer, compiled.fresh(0), images, wait=True)
    benchmark.pedantic(call, rounds=30, warmup_rounds=3)
