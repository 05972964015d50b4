"""Stacked blocks: which are stacked, and that a model computes what it computes with each block by itself."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec
from tiny_models import SCHEDULE, TINY, stripes, tiny

from moebench.measuring.flops.jaxpr import operations, traced
from moebench.models import VitConfig, moe_blocks
from moebench.models.presets import Size
from moebench.models.sharding import DATA, EXPERT
from moebench.models.stacked_arrays import arrays_by_block, arrays_in_stacks
from moebench.models.stacks import Run, runs
from moebench.training import Program, WideProgram, compile_unoptimized
from moebench.training.array_files import array_path

BATCH = stripes(8)


def of_layers(layers: int, rule: str) -> VitConfig:
    return replace(
        tiny("soft", experts=2),
        preset=replace(TINY, size=replace(TINY.size, layers=layers)),
        moe_blocks=moe_blocks(rule, layers) if rule else (),
    )


@pytest.mark.parametrize(
    ("layers", "rule", "expected"),
    [
        (12, "last-half", [Run(number, 1, 1) for number in range(12)]),
        (48, "", [Run(0, 1, 48)]),
        (32, "last-half", [Run(0, 1, 16), Run(16, 1, 16)]),
        (48, "every-2", [Run(0, 2, 24)]),
        # Blocks 0 to 18 without experts, then 19, 21, 23 with experts: 19 | 20 21 | 22 23 are left.
        (24, "last-n:3", [Run(0, 1, 19), Run(19, 2, 2), Run(23, 1, 1)]),
        # Without experts: 0 and 1, 3 to 12.
        (13, "2", [Run(0, 1, 2), Run(2, 1, 1), Run(3, 1, 10)]),
    ],
)
def test_blocks_of_deep_models_are_stacked_by_their_repetitions(layers: int, rule: str, expected: list[Run]) -> None:
    found = runs(of_layers(layers, rule))
    assert found == expected
    numbers = [number for run in found for turn in run.numbers for number in turn]
    assert numbers == list(range(layers))


def by_name(config: VitConfig, tree: Any) -> dict[str, Any]:
    named = jax.tree_util.tree_leaves_with_path(arrays_by_block(tree, config))
    return {array_path(path): leaf for path, leaf in named}


def filled(tree: Any) -> Any:
    """Arrays of the shapes of a tree, with numbers around zero that differ from array to array."""
    drawn = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(drawn.normal(size=leaf.shape) / 2, leaf.dtype), tree)


# Two blocks without experts, then one with experts and one without by turns: a stack of each kind.
SIX = replace(TINY, size=Size(width=8, layers=6, mlp=12, heads=2))
TURNS = replace(tiny("loss-free", experts=4, top_k=2), preset=SIX, moe_blocks=(2, 4))


def programs(config: VitConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """The programs of a model without stacks, and then with stacks."""
    for most_unrolled in (6, 5):
        monkeypatch.setattr("moebench.models.stacks.MOST_UNROLLED", most_unrolled)
        yield Program(config, SCHEDULE, len(BATCH))


def test_stacks_compute_what_single_blocks_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = jnp.asarray(BATCH.images), jnp.asarray(BATCH.labels)

    def everything(program: Program, state: Any) -> Any:
        gradient, (loss, _, variables) = program.gradient(state, *batch)
        return gradient, variables, (loss, program.infer(state, batch[0]))

    arrays: Any = None
    found = []
    for program in programs(TURNS, monkeypatch):
        if arrays is None:
            arrays = filled((program.abstract_state.parameters, program.abstract_state.variables))
            names = by_name(TURNS, arrays[0]).keys()
        # Under the names of the stacks, and back.
        parameters, variables = (arrays_in_stacks(each, TURNS) for each in arrays)
        assert by_name(TURNS, parameters).keys() == names
        shapes = jax.tree.map(lambda leaf: leaf.shape, (parameters, variables))
        state = program.abstract_state
        assert shapes == jax.tree.map(lambda leaf: leaf.shape, (state.parameters, state.variables))
        rest = {"step": jnp.asarray(3), "key": jax.random.key(1), "schedule": SCHEDULE.as_arrays()}
        state = replace(state, parameters=parameters, variables=variables, optimizer=None, **rest)
        gradient, changed, numbers = compile_unoptimized(partial(everything, program), state)(state)
        found.append((by_name(TURNS, gradient) | by_name(TURNS, changed), numbers))
    (alone, numbers), (stacked, other_numbers) = found
    assert alone.keys() == stacked.keys()
    assert min(np.abs(leaf).max() for name, leaf in alone.items() if "kernel" in name) > 1e-3
    for name, leaf in alone.items():
        np.testing.assert_allclose(stacked[name], leaf, rtol=1e-5, atol=1e-6, err_msg=name)
    for leaf, other in zip(numbers, other_numbers, strict=True):
        np.testing.assert_allclose(other, leaf, rtol=1e-5, atol=1e-6)


def test_blocks_in_stacks_draw_the_parameters_that_they_draw_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(program: Program, seed: Any) -> dict[str, Any]:
        named = by_name(TURNS, program.init(seed).parameters)
        return {name: leaf for name, leaf in named.items() if name.endswith(("router.kernel", "mlp.hidden.kernel"))}

    seed = jnp.asarray(7)
    alone, stacked = (
        compile_unoptimized(partial(drawn, program), seed)(seed) for program in programs(TURNS, monkeypatch)
    )
    assert len(alone) == 6
    assert alone.keys() == stacked.keys()
    for name, leaf in alone.items():
        np.testing.assert_allclose(stacked[name], leaf, rtol=1e-6)


@pytest.mark.parametrize("remat", ["none", "blocks", "dots"])
def test_stacks_take_the_products_of_single_blocks(remat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for program in programs(replace(TURNS, remat=remat), monkeypatch):
        step = traced(program.train_step, program.abstract_state, *program.abstract_batch(len(BATCH)))
        counts.append(operations(step).products)
    assert counts[0] == counts[1]


def test_experts_in_stacks_are_split_as_experts_by_themselves() -> None:
    config = replace(of_layers(16, "last-half"), router_options={"experts": 8})
    one = jax.make_mesh((1, 1), (DATA, EXPERT), axis_types=(AxisType.Auto, AxisType.Auto), devices=jax.devices()[:1])
    program = WideProgram(config, SCHEDULE, 16, one)
    leaves = jax.tree_util.tree_leaves_with_path(program.abstract_state)
    found = {jax.tree_util.keystr(path): (leaf.shape, leaf.sharding.spec) for path, leaf in leaves}
    kernels = [value for name, value in found.items() if "kernel_in" in name]
    # The parameter and Adam's two moments; eight blocks of eight experts.
    assert kernels == [((8, 8, 8, 12), PartitionSpec(None, EXPERT))] * 3
    assert {spec for name, (_, spec) in found.items() if "experts" not in name} == {PartitionSpec()}
