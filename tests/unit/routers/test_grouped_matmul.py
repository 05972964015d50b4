"""Rows in blocks of one expert each: where they lie, and products and gradients beside those of each row by itself."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moebench.models import Experts
from moebench.models.moe import _ragged, _ragged_in_blocks
from moebench.models.rngs import rngs
from moebench.routers import grouped_matmul
from moebench.routers.grouped_matmul import block_rows, by_block, in_blocks
from moebench.training import compile_unoptimized


def test_rows_lie_in_blocks_of_their_expert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped_matmul, "_LEAST_ROWS", 2)
    # Blocks of two: expert 0 fills one and a half, expert 1 none, expert 2 one half; two of six rows are of none.
    blocks = jax.jit(in_blocks, static_argnums=1)(jnp.array([3, 0, 1]), 6)
    assert blocks.rows == 2
    assert len(blocks.expert) == 6 // 2 + 3
    assert blocks.expert[:3].tolist() == [0, 0, 2]
    assert blocks.place[:4].tolist() == [0, 1, 2, 4]
    assert blocks.place[4:].min() >= 12
    inside = blocks.of(jnp.arange(1.0, 7.0)[:, None])[..., 0]
    assert inside.tolist() == [[1, 2], [3, 0], [4, 0], [0, 0], [0, 0], [0, 0]]
    assert blocks.back(10 * inside[..., None])[:, 0].tolist() == [10, 20, 30, 40, 0, 0]


@pytest.mark.parametrize(
    ("rows", "experts", "expected"),
    # Half of 256 rows is 128; of 96 rows 48, so 32; never less than 16 nor more than 256.
    [(8192, 32, 128), (960, 10, 32), (64, 32, 16), (10**6, 2, 256)],
)
def test_blocks_are_half_as_large_as_the_rows_of_an_expert(rows: int, experts: int, expected: int) -> None:
    assert block_rows(rows, experts) == expected
    if rows >= 32 * experts:
        sizes = jax.ShapeDtypeStruct((experts,), jnp.int32)
        blocks = jax.eval_shape(lambda sizes: in_blocks(sizes, rows).expert, sizes)
        assert len(blocks) * expected <= 1.5 * rows


def test_products_in_blocks_are_those_of_each_row() -> None:
    # 2 · 3 for the block of expert 1; 5 · 7 for the two of expert 0, whose gradients add up.
    rows, kernels = jnp.array([[[5.0]], [[1.0]], [[2.0]]]), jnp.array([[[7.0]], [[3.0]]])
    expert = jnp.array([0, 0, 1])
    products, pulled = jax.vjp(lambda rows, kernels: by_block(rows, kernels, expert), rows, kernels)
    assert products.ravel().tolist() == [35, 7, 6]
    by_rows, by_kernels = pulled(jnp.array([[[1.0]], [[10.0]], [[100.0]]]))
    assert by_rows.ravel().tolist() == [7, 70, 300]
    assert by_kernels.ravel().tolist() == [5 + 10, 200]


def test_experts_compute_in_blocks_what_they_compute_row_by_row() -> None:
    layer = Experts(3, 4, 6, dtype=jnp.dtype("float32"), rngs=rngs(0))
    drawn = np.random.default_rng(0)
    biases = [jnp.asarray(drawn.normal(size=each.shape), jnp.float32) for each in (layer.bias_in, layer.bias_out)]
    weights = layer.kernel_in[...], biases[0], layer.kernel_out[...], biases[1]
    # 40 rows of expert 0, so that the blocks of 16 are three; none of expert 1; the last five rows are of none.
    sizes, rows = jnp.array([40, 0, 3]), jnp.asarray(drawn.normal(size=(48, 4)), jnp.float32)

    def slopes(way: Callable[..., jax.Array], *arrays: jax.Array) -> list[jax.Array]:
        outputs, pulled = jax.vjp(lambda rows, *weights: way(rows, sizes, *weights), *arrays)
        return [outputs, *pulled(jnp.cos(jnp.arange(48.0 * 4)).reshape(48, 4))]

    both = (compile_unoptimized(partial(slopes, way), rows, *weights) for way in (_ragged, _ragged_in_blocks))
    for expected, found in zip(*(each(rows, *weights) for each in both), strict=True):
        assert float(jnp.abs(expected).max()) > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
