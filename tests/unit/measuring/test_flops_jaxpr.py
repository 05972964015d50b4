"""Counting operations: each kind by numbers worked by hand."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from moebench.measuring import operations, traced


def floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def test_a_product_is_two_flops_for_each_multiply_add() -> None:
    # [2, 3] · [3, 5]: 2 × 5 outputs of 3 multiply-adds.
    assert operations(traced(jnp.matmul, floats(2, 3), floats(3, 5))).products == {("other", "dot_general"): 2 * 10 * 3}
    # A batch of 7 of them.
    counted = operations(traced(lambda x, y: jnp.einsum("bij,bjk->bik", x, y), floats(7, 2, 3), floats(7, 3, 5)))
    assert counted.total == 7 * 60


def test_a_convolution_is_the_product_of_its_patches() -> None:
    def patchify(images: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(images, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    # 4 × 4 pixels of 3 channels in patches of 2 × 2: 4 patches of 12 numbers, to 5 channels each.
    assert operations(traced(patchify, floats(1, 4, 4, 3), floats(2, 2, 3, 5))).total == 2 * 4 * 12 * 5


def test_rows_of_ragged_groups_meet_one_matrix_each() -> None:
    def loss(rows: Any, kernels: Any, sizes: Any) -> Any:
        return jax.lax.ragged_dot(rows, kernels, sizes).sum()

    arguments = floats(6, 3), floats(4, 3, 5), jax.ShapeDtypeStruct((4,), jnp.int32)
    # 6 rows, each times one matrix of 3 × 5, however many groups there are.
    assert operations(traced(loss, *arguments)).total == 2 * 6 * 3 * 5
    # Backward: the rows' gradient and the matrices' cost the same again; the forward product is not needed.
    assert operations(traced(jax.grad(loss, (0, 1)), *arguments)).total == 2 * 180


def test_of_ways_for_several_platforms_the_one_without_padding_counts() -> None:
    def padded(rows: Any, kernel: Any) -> Any:
        return (jnp.pad(rows, ((0, 2), (0, 0))) @ kernel)[:4]

    def unseen(rows: Any, kernel: Any) -> Any:
        return jnp.zeros((4, 5))

    def product(rows: Any, kernel: Any) -> Any:
        return jax.lax.platform_dependent(rows, kernel, cpu=jnp.matmul, cuda=unseen, default=padded)

    assert operations(traced(product, floats(4, 3), floats(3, 5))).total == 2 * 4 * 3 * 5


def test_elementwise_work_is_named_and_left_out() -> None:
    def gate(x: Any, index: Any) -> Any:
        return jnp.exp(x) * x + x[index], index + 1

    counted = operations(traced(gate, floats(4), jax.ShapeDtypeStruct((4,), jnp.int32)))
    assert counted.left_out == {"exp": 4, "mul": 4, "add": 4}
    assert counted.total == 0


def test_sums_count_what_they_sum() -> None:
    def scatter(x: Any, index: Any) -> Any:
        return x.sum(), jnp.zeros(100).at[index].add(x)

    counted = operations(traced(scatter, floats(4), jax.ShapeDtypeStruct((4,), jnp.int32)))
    assert counted.left_out == {"reduce_sum": 4, "scatter-add": 4}


def test_parts_are_told_by_scope_backward_as_well() -> None:
    def loss(kernel: Any, x: Any) -> Any:
        with jax.named_scope("mlp"):
            x = x @ kernel
        with jax.named_scope("experts"), jax.named_scope("mlp"):
            x = jax.jit(lambda y: y @ kernel)(x)
        return x.sum()

    arguments = floats(3, 3), floats(2, 3)
    forward = operations(traced(loss, *arguments)).parts
    assert (forward.mlp, forward.experts) == (2 * 2 * 3 * 3, 2 * 2 * 3 * 3)
    backward = operations(traced(jax.grad(loss), *arguments)).parts
    # The first product: itself, and for the kernel, since x is data. The second: for x and for the kernel; its own
    # result is only summed, so that its gradient does not need it.
    assert (backward.mlp, backward.experts) == (2 * 36, 2 * 36)


def test_moving_rows_counts_what_it_adds() -> None:
    def move(x: Any, weight: Any) -> Any:
        with jax.named_scope("dispatch_combine"):
            return x * weight

    counted = operations(traced(move, floats(2, 3), floats(2, 1)))
    assert counted.parts.dispatch_combine == 6
    assert counted.left_out == {}


def test_work_that_nothing_depends_on_is_not_counted() -> None:
    def half(x: Any) -> Any:
        useless = x @ x
        return jnp.sin(x), useless.shape

    assert operations(traced(lambda x: half(x)[0], floats(3, 3))).counted == {}


def test_loops_and_branches() -> None:
    def loop(x: Any, kernel: Any) -> Any:
        return jax.lax.scan(lambda carry, _: (carry @ kernel, None), x, length=5)[0]

    assert operations(traced(loop, floats(2, 3), floats(3, 3))).total == 5 * 2 * 2 * 3 * 3

    def choice(flag: Any, x: Any) -> Any:
        return jax.lax.cond(flag, lambda y: y @ y @ y, lambda y: y, x)

    # The larger branch: two products of 3 × 3 matrices.
    assert operations(traced(choice, jax.ShapeDtypeStruct((), jnp.bool_), floats(3, 3))).total == 2 * 54


def test_what_cannot_be_seen_has_no_count() -> None:
    def search(x: Any) -> Any:
        return jax.lax.while_loop(lambda y: y.sum() < 10, lambda y: y @ y, x)

    assert math.isnan(operations(traced(search, floats(3, 3))).total)

    def call(x: Any) -> Any:
        return jax.pure_callback(lambda y: y, floats(3, 3), x)

    assert math.isnan(operations(traced(call, floats(3, 3))).total)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_the_type_does_not_matter(dtype: Any) -> None:
    square = jax.ShapeDtypeStruct((3, 3), dtype)
    assert operations(traced(jnp.matmul, square, square)).total == 54
