"""Operations with gradients or forms of their own give what the plain ones give."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moebench.models.matmul import by_expert
from moebench.routers.cpu_kernels import top_k, weighted
from moebench.routers.routing import mix, unmix


def drawn(number: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(number), shape)


@pytest.mark.parametrize(
    ("ours", "plain", "arguments"),
    [
        (by_expert, lambda rows, kernels: rows @ kernels, (drawn(0, 2, 3, 4), drawn(1, 2, 4, 5))),
        (weighted, lambda rows, weights: rows * weights[..., None], (drawn(0, 2, 3, 4), drawn(1, 2, 3))),
        (mix, lambda w, x: jnp.einsum("gsep,gsd->egpd", w, x), (drawn(0, 2, 3, 4, 5), drawn(1, 2, 3, 6))),
        (unmix, lambda w, y: jnp.einsum("gsep,egpd->gsd", w, y), (drawn(0, 2, 3, 4, 5), drawn(1, 4, 2, 5, 6))),
    ],
    ids=["by_expert", "weighted", "mix", "unmix"],
)
def test_values_and_gradients_are_those_of_the_plain_operation(
    ours: Callable[..., Any], plain: Callable[..., Any], arguments: tuple[jax.Array, jax.Array]
) -> None:
    (got, back), (wanted, plain_back) = (jax.vjp(function, *arguments) for function in (ours, plain))
    slope = drawn(2, *wanted.shape)
    for ours_, plain_ in zip((got, *back(slope)), (wanted, *plain_back(slope)), strict=True):
        assert ours_.dtype == plain_.dtype
        np.testing.assert_allclose(ours_, plain_, rtol=1e-5, atol=1e-6)


def test_the_gradient_by_a_weight_is_summed_in_float32_where_rows_are_bfloat16() -> None:
    # 256 products of 1: in bfloat16, which has 8 bits, a running sum stands still at 256; of 300 it shows.
    rows, weights = jnp.ones((1, 300), jnp.bfloat16), jnp.ones(1, jnp.bfloat16)
    by_weight = jax.vjp(weighted, rows, weights)[1](jnp.ones((1, 300), jnp.bfloat16))[1]
    assert by_weight.dtype == jnp.bfloat16
    assert float(by_weight[0]) == float(jnp.bfloat16(300))


def test_among_equals_the_first_place_is_taken() -> None:
    values, places = top_k(jnp.array([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 4.0, 5.0]]), 3)
    assert values.tolist() == [[3, 3, 2], [5, 5, 5]]
    assert places.tolist() == [[1, 2, 3], [0, 1, 3]]
