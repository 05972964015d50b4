"""MoE layers beside plain ones written from the papers, and beside a peer's package if it is installed.

Both are timed in turns in one process, forward and backward, so that their ratio does not depend on what else the
machine does. `extra_info` of the saved run holds the ratio with its interval: above 1 moebench is faster.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import plain_layers
import pytest
from flax import nnx
from jaxtyping import Array

from moebench.cells.compile import program_for
from moebench.cells.resolve import resolve_cell
from moebench.measuring import compare
from moebench.spec.cell_spec import CellSpec
from moebench.training import LayerProgram

EXPERTS, BUDGET_S = 32, float(os.environ.get("MOEBENCH_LAYER_BUDGET_S", "20"))
# Without noise and auxiliary losses, which would be another program.
PLAIN = {"noise_std": 0, "importance_weight": 0, "load_weight": 0}
CASES: dict[str, tuple[dict[str, Any], Callable[..., Array]]] = {
    "soft": ({"router": "soft", "options": {"slots_per_expert": 6}}, plain_layers.soft),
    "experts-choice": ({"router": "experts-choice", "options": {"noise_std": 0}}, plain_layers.experts_choice),
    "tokens-choice": (
        {"router": "tokens-choice", "options": {**PLAIN, "top_k": 1}},
        partial(plain_layers.tokens_choice, top_k=1, prioritized=False),
    ),
    "bpr": (
        {"router": "bpr", "options": {**PLAIN, "top_k": 2}},
        partial(plain_layers.tokens_choice, top_k=2, prioritized=True),
    ),
}


def layer(case: str) -> LayerProgram:
    """Return an MoE layer of ViT-S/16 for 8 images, or what `MOEBENCH_LAYER_MODEL` names, each image a group."""
    given, _ = CASES[case]
    options = {"experts": EXPERTS, **given["options"]}
    model = os.environ.get("MOEBENCH_LAYER_MODEL", "s/16")
    spec = CellSpec(router=given["router"], options=options, model=model, scope="layer", batch=8, group_images=1)
    program = program_for(resolve_cell(spec).model, spec)
    assert isinstance(program, LayerProgram)
    return program


def plain_gradient(case: str, parameters: Any, images: Array) -> tuple[Any, Array]:
    """Return outputs of the plain layer, and the gradients by parameters and tokens that a layer program returns."""

    def objective(parameters: Any, tokens: Array) -> tuple[Array, Array]:
        outputs = CASES[case][1](parameters, tokens)
        return jnp.vdot(outputs, jax.lax.stop_gradient(tokens)), outputs

    gradient: tuple[Any, Array] = jax.grad(objective, argnums=(0, 1), has_aux=True)(parameters, images[:, 0])
    return gradient


def flat(state: Any) -> dict[str, Array]:
    """Return the parameters of router and experts by their last name."""
    return {str(path[-1]): value[...] for path, value in nnx.to_flat_state(state)}


@pytest.mark.parametrize("case", CASES)
def test_layer_beside_a_plain_one(benchmark: Any, case: str) -> None:
    program = layer(case)
    state = jax.jit(program.init)(np.asarray(0, np.int32))
    images = jnp.asarray(program.random_tokens().images)
    ours = jax.jit(lambda state, images: program.gradient(state, images, None)).lower(state, images).compile()
    parameters = flat(state.parameters)
    plain = jax.jit(partial(plain_gradient, case)).lower(parameters, images).compile()
    (by_parameters, by_tokens), (outputs, _) = ours(state, images)
    (plain_by_parameters, plain_by_tokens), plain_outputs = plain(parameters, images)
    assert close(outputs, plain_outputs)
    assert close(by_tokens, plain_by_tokens)
    assert all(close(value, plain_by_parameters[name]) for name, value in flat(by_parameters).items())
    calls = {"plain": lambda: plain(parameters, images), "moebench": lambda: ours(state, images)}
    report(benchmark, calls, "plain")


def test_soft_layer_beside_a_pytorch_package(benchmark: Any) -> None:
    """Beside lucidrains' Soft MoE, which normalises the tokens of the slots as well, and so has other outputs."""
    package, torch = pytest.importorskip("soft_moe_pytorch"), pytest.importorskip("torch")
    program = layer("soft")
    state = jax.jit(program.init)(np.asarray(0, np.int32))
    images = program.random_tokens().images
    ours = jax.jit(lambda state, images: program.gradient(state, images, None)).lower(state, images).compile()
    on_device = jnp.asarray(images)
    dim = images.shape[-1]
    peer = package.SoftMoE(dim=dim, num_experts=EXPERTS, num_slots=6)
    tokens = torch.from_numpy(images[:, 0]).requires_grad_()

    def step() -> None:
        peer.zero_grad()
        (peer(tokens) * tokens.detach()).sum().backward()

    report(benchmark, {"peer": step, "moebench": lambda: ours(state, on_device)}, "peer")


def close(ours: Array, plain: Array) -> bool:
    """Return whether two arrays are equal within a thousandth of the larger's largest number."""
    return float(jnp.abs(ours.reshape(plain.shape) - plain).max()) <= 1e-3 * float(jnp.abs(plain).max())


def report(benchmark: Any, calls: dict[str, Callable[[], object]], other: str) -> None:
    """Time two programs in turns, and note how many times as fast moebench is.

    Args:
        benchmark: of pytest-benchmark, which notes moebench's own time.
        calls: by name.
        other: name of the program beside moebench.
    """
    found = compare(calls, {other: "moebench"}, BUDGET_S, seed=0)
    for name, ratios in (("times", found.ratios), ("processor times", found.cpu_ratios)):
        ratio = ratios[other]
        benchmark.extra_info[f"{name} of {other} over moebench"] = [ratio.value, ratio.low, ratio.high]
        print(f"{name} of {other} over moebench: {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})")
    benchmark.pedantic(lambda: jax.block_until_ready(calls["moebench"]()), rounds=3, warmup_rounds=1)
