"""Counts of compiled programs: the body of a loop counts in every trip."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from tiny_models import SCHEDULE, TINY, tiny

from moebench.cells.compile import compile_infer
from moebench.measuring import compiler_flops, moved_bytes
from moebench.models.presets import Size
from moebench.training import Program, compiled

SQUARE = jax.ShapeDtypeStruct((8, 8), jnp.float32)


def test_products_and_bytes_of_a_loop_count_in_every_trip() -> None:
    program = compiled(lambda x, y: jax.lax.fori_loop(0, 5, lambda _, found: found @ y, x), SQUARE, SQUARE)
    # A product is 2 · 8³ FLOPs, reads two squares and writes one, 256 bytes each. A loop may copy its result in each
    # trip, and both arguments before the first.
    assert compiler_flops(program) == pytest.approx(5 * 1024, rel=0.01)
    moved = moved_bytes(program)
    assert moved is not None
    assert 5 * 3 * 256 <= moved < 5 * (3 + 2) * 256 + 2 * 2 * 256
    analysis = program.cost_analysis()
    assert analysis is not None
    assert analysis["flops"] < 2 * 1024


def test_a_loop_of_unknown_length_has_no_count() -> None:
    def squared_until_large(x: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda found: found.sum() < 100, lambda found: found @ found, x)

    program = compiled(squared_until_large, SQUARE)
    assert compiler_flops(program) is None
    assert moved_bytes(program) is None


def test_stacked_blocks_count_as_single_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = replace(TINY, size=Size(width=8, layers=4, mlp=12, heads=2))
    model = replace(tiny("soft", experts=2), preset=deep, moe_blocks=(2, 3))
    flops, moved = [], []
    for most_unrolled in (4, 3):
        monkeypatch.setattr("moebench.models.stacks.MOST_UNROLLED", most_unrolled)
        program = compile_infer(Program(model, SCHEDULE, 8), 8)
        flops.append(compiler_flops(program))
        moved.append(moved_bytes(program))
    assert flops[1] == pytest.approx(flops[0], rel=0.02)
    # A loop copies the parameters of each block out of the stack before use.
    assert moved[0] < moved[1] < 1.5 * moved[0]
