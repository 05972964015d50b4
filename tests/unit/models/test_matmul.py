"""Operations with gradients or forms of their own give what the plain ones give."""

import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moebench.models.activation import gelu
from moebench.models.attention import attend, fits_cudnn, has_cudnn
from moebench.routers.cpu_kernels import _starts_counted, sorted_by_expert, starts, top_k, weighted
from moebench.routers.matmul import by_expert, product
from moebench.routers.routing import mix, unmix


def drawn(number: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(number), shape)


@pytest.mark.parametrize(
    ("ours", "plain", "arguments"),
    [
        (by_expert, lambda rows, kernels: rows @ kernels, (drawn(0, 2, 3, 4), drawn(1, 2, 4, 5))),
        # Few rows, and rows wider than their result: forms of their own in the gradients by rows and by kernels.
        (by_expert, lambda rows, kernels: rows @ kernels, (drawn(0, 2, 3, 5), drawn(1, 2, 5, 4))),
        (by_expert, lambda rows, kernels: rows @ kernels, (drawn(0, 2, 3, 5), drawn(1, 2, 5, 2))),
        (product, lambda rows, kernel: rows @ kernel, (drawn(0, 3, 5), drawn(1, 5, 2))),
        (weighted, lambda rows, weights: rows * weights[..., None], (drawn(0, 2, 3, 4), drawn(1, 2, 3))),
        (mix, lambda w, x: jnp.einsum("gsep,gsd->egpd", w, x), (drawn(0, 2, 3, 4, 5), drawn(1, 2, 3, 6))),
        (unmix, lambda w, y: jnp.einsum("gsep,egpd->gsd", w, y), (drawn(0, 2, 3, 4, 5), drawn(1, 4, 2, 5, 6))),
    ],
    ids=["by_expert", "by_expert wide", "by_expert narrow", "product", "weighted", "mix", "unmix"],
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


def test_few_largest_values_are_the_first_of_equals() -> None:
    scores = jnp.array([[1.0, 3.0, 3.0, 2.0], [-jnp.inf, -jnp.inf, -jnp.inf, 5.0]])
    values, places = top_k(scores, 1)
    assert (values.tolist(), places.tolist()) == ([[3], [5]], [[1], [3]])
    assert jax.grad(lambda scores: top_k(scores, 1)[0].sum())(scores).tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]
    values, places = top_k(scores, 2)
    assert (values.tolist(), places.tolist()) == ([[3, 3], [5, -jnp.inf]], [[1, 2], [3, 0]])
    assert top_k(scores[:, :2], 2)[1].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("ways", [starts, _starts_counted], ids=["here", "accelerators"])
def test_starts_are_the_choices_of_lower_experts(ways: Callable[..., jax.Array]) -> None:
    # Three experts; number 3 chooses none.
    assert ways(jnp.array([[0, 0, 2, 2, 3], [1, 1, 1, 1, 1]]), 3).tolist() == [[0, 2, 2, 4], [0, 0, 5, 5]]


@pytest.mark.parametrize("experts", [3, 2**30], ids=["one number", "two arrays"])
def test_choices_of_one_expert_keep_their_order(experts: int) -> None:
    # Numbers beyond the last expert come last.
    expert, place = sorted_by_expert(jnp.array([[2, 0, 2, 3, 0], [1, 1, 1, 1, 1]]), experts)
    assert expert.tolist() == [[0, 0, 2, 2, 3], [1, 1, 1, 1, 1]]
    assert place.tolist() == [[1, 4, 0, 2, 3], [0, 1, 2, 3, 4]]


def attend_plainly(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1]), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v)


@pytest.mark.parametrize(("tokens", "dim"), [(5, 2), (3, 4)], ids=["narrow heads", "wide heads"])
def test_attention_and_its_gradients_are_those_of_the_formula(tokens: int, dim: int) -> None:
    arguments = tuple(3 * drawn(number, 2, tokens, 2, dim) for number in range(3))
    (got, back), (wanted, plain_back) = (jax.vjp(jax.jit(f), *arguments) for f in (attend, attend_plainly))
    slope = drawn(4, *wanted.shape)
    for ours, plain in zip((got, *back(slope)), (wanted, *plain_back(slope)), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)


def test_attention_in_bfloat16_has_a_softmax_of_float32() -> None:
    # An odd number of tokens, which cuDNN does not take: its softmax is not in the jaxpr.
    q, k, v = (drawn(number, 1, 3, 1, 8).astype(jnp.bfloat16) for number in range(3))
    program = jax.make_jaxpr(attend)(q, k, v)
    assert program.out_avals[0].dtype == jnp.bfloat16
    exponentials = [line for line in str(program).splitlines() if re.search(r" = exp\b", line)]
    assert exponentials
    assert all("f32[" in line for line in exponentials)


def test_products_of_attention_in_bfloat16_take_no_float32() -> None:
    q, k, v = (drawn(number, 1, 3, 1, 2).astype(jnp.bfloat16) for number in range(3))
    program = str(jax.make_jaxpr(lambda q, k, v: jax.vjp(attend, q, k, v)[1](v))(q, k, v))
    types = dict(re.findall(r"(\w+):(\w+)\[", program))
    products = re.findall(r"= dot_general\[.*?\] (\w+) (\w+)", program, re.S)
    assert len(products) >= 6
    # The sums of slope times output are a product of float32 slopes in no case.
    assert {types[name] for pair in products for name in pair} == {"bf16"}


@pytest.mark.parametrize(
    ("tokens", "dim", "dtype", "fits"),
    [
        (196, 64, "bfloat16", True),
        (197, 64, "bfloat16", False),
        (196, 64, "float32", False),
        (64, 20, "float16", False),
    ],
    ids=["even", "odd", "float32", "head of 20"],
)
def test_fused_attention_is_for_shapes_that_cudnn_takes(tokens: int, dim: int, dtype: str, fits: bool) -> None:
    assert fits_cudnn(tokens, dim, jnp.dtype(dtype)) == fits
    q = jnp.zeros((1, tokens, 1, dim), dtype)
    assert ("dot_product_attention_fwd" in str(jax.make_jaxpr(attend)(q, q, q))) == (fits and has_cudnn())


def test_gelu_has_its_tanh_form_and_gradient() -> None:
    x = jnp.array([-3.0, -0.5, 0.0, 1.0])
    expected = [0.5 * n * (1 + math.tanh(math.sqrt(2 / math.pi) * (n + 0.044715 * n**3))) for n in x.tolist()]
    np.testing.assert_allclose(gelu(x), expected, rtol=1e-5, atol=1e-6)
    ours, plain = (jax.grad(lambda x, f=f: f(x).sum())(x) for f in (gelu, jax.nn.gelu))
    np.testing.assert_allclose(ours, plain, rtol=1e-6)


def test_kernels_of_experts_are_cast_to_the_rows_and_their_gradient_back() -> None:
    rows, kernels = drawn(0, 2, 3, 4).astype(jnp.bfloat16), drawn(1, 2, 4, 5)
    out, back = jax.vjp(by_expert, rows, kernels)
    by_rows, by_kernels = back(jnp.ones_like(out))
    assert (out.dtype, by_rows.dtype, by_kernels.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
