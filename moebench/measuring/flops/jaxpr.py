"""Count a program's FLOPs operation by operation from its jaxpr, without compiling or allocating anything.

A multiply-add is 2 FLOPs. Matrix products are counted by their shapes. Element-wise arithmetic on floating-point
numbers is 1 FLOP for each element, whatever the operation, and is counted apart by name. Moving, comparing and
choosing are no FLOPs, nor is arithmetic on indices.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Var

from moebench.measuring.flops.closed_form import MOVING, PARTS, Parts

OUTSIDE = "other"
"""Part of the operations outside the model's parts: norms, residual sums, loss, optimiser."""
_OUTPUT = -1
_ARITHMETIC: dict[str, int] = {
    # The operand whose elements are counted: the output, the reduced array, or the array added at an index.
    **dict.fromkeys(
        (
            *("abs", "add", "add_any", "ceil", "div", "floor", "integer_pow", "max", "min", "mul", "neg", "pow", "rem"),
            *("round", "sign", "square", "sub", "cbrt", "rsqrt", "sqrt", "exp", "exp2", "expm1", "log", "log1p"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
            *("logistic", "erf", "erfc", "erf_inv", "lgamma", "digamma", "cumsum", "cumprod", "cumlogsumexp"),
        ),
        _OUTPUT,
    ),
    **dict.fromkeys(("reduce", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum"), 0),
    **dict.fromkeys(("scatter-add", "scatter-mul"), 2),
}
_OPAQUE = frozenset(("ffi_call", "io_callback", "pallas_call", "pure_callback"))
"""Calls whose work is not in the jaxpr; a program with such a call has no count."""

Tally = Mapping[tuple[str, str], float]
"""FLOPs by part and name of the operation."""


@dataclass(frozen=True)
class Operations:
    """FLOPs of a program by part and operation."""

    products: Tally
    """FLOPs of matrix products and convolutions; NaN if the jaxpr does not tell how often they run."""
    elementwise: Tally
    """FLOPs of all other arithmetic on floating-point numbers."""

    @property
    def counted(self) -> Tally:
        """FLOPs that count: all products, and the element-wise work of dispatch and combine."""
        return {**self.products, **{key: flops for key, flops in self.elementwise.items() if key[0] == MOVING}}

    @property
    def parts(self) -> Parts:
        """FLOPs that count, by part of the model."""
        by_part = {part: math.fsum(f for (place, _), f in self.counted.items() if place == part) for part in PARTS}
        return Parts(**by_part)

    @property
    def total(self) -> float:
        """Sum of the FLOPs that count."""
        return math.fsum(self.counted.values())

    @property
    def by_name(self) -> dict[str, float]:
        """FLOPs that count by the name of the operation, largest first."""
        return _by_name(self.counted)

    @property
    def left_out(self) -> dict[str, float]:
        """Element-wise FLOPs outside the total by the name of the operation, largest first."""
        return _by_name({key: flops for key, flops in self.elementwise.items() if key[0] != MOVING})


def traced(function: Callable[..., Any], *arguments: Any) -> ClosedJaxpr:
    """Return the jaxpr of a call.

    Args:
        function: a function that JAX can trace.
        *arguments: arrays, or their shapes and types.
    """
    program: ClosedJaxpr = jax.make_jaxpr(function)(*arguments)
    return program


def operations(program: ClosedJaxpr) -> Operations:
    """Count the FLOPs of a program.

    Work that no output depends on is not counted, since compilers remove it. Of several branches the largest counts,
    and of ways for several platforms the lightest.
    Element-wise work in a loop whose end depends on data counts once.
    """
    return _count(program.jaxpr, "", 1)


def _by_name(tally: Tally) -> dict[str, float]:
    names: defaultdict[str, float] = defaultdict(float)
    for (_, name), flops in tally.items():
        names[name] += flops
    return dict(sorted(names.items(), key=lambda item: -item[1]))


def _count(jaxpr: Jaxpr, path: str, times: float) -> Operations:
    products: defaultdict[tuple[str, str], float] = defaultdict(float)
    elementwise: defaultdict[tuple[str, str], float] = defaultdict(float)
    for equation in _needed(jaxpr):
        name, place = equation.primitive.name, f"{path}/{equation.source_info.name_stack}"
        if name in _PRODUCTS:
            products[_part(place), name] += times * _PRODUCTS[name](equation)
        elif name in _OPAQUE:
            products[_part(place), name] = math.nan
        elif name in _ARITHMETIC:
            if flops := _elementwise(equation):
                elementwise[_part(place), name] += times * flops
        else:
            for inner in _inner(equation, place, times):
                for key, flops in inner.products.items():
                    products[key] += flops
                for key, flops in inner.elementwise.items():
                    elementwise[key] += flops
    return Operations(products, elementwise)


def _needed(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """Return the equations that an output depends on, or that have an effect."""
    needed = {var for var in jaxpr.outvars if isinstance(var, Var)}
    equations = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or not needed.isdisjoint(equation.outvars):
            needed.update(var for var in equation.invars if isinstance(var, Var))
            equations.append(equation)
    return equations[::-1]


def _inner(equation: JaxprEqn, path: str, times: float) -> Iterator[Operations]:
    """Yield the counts of the programs that an equation calls, times its number of calls."""
    name, params = equation.primitive.name, equation.params
    if name == "cond":
        branches = [_count(each.jaxpr, path, times) for each in params["branches"]]
        if params.get("branches_platforms") is None:
            yield max(branches, key=lambda branch: branch.total)
        else:
            # Others than the lightest pad; in a fused kernel, such as attention in cuDNN, no product is seen.
            yield min([each for each in branches if each.total] or branches, key=lambda branch: branch.total)
    elif name == "while":
        for each in (params["cond_jaxpr"], params["body_jaxpr"]):
            once = _count(each.jaxpr, path, times)
            yield Operations(dict.fromkeys(once.products, math.nan), once.elementwise)
    else:
        for value in params.values():
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, ClosedJaxpr | Jaxpr):
                    inner = each.jaxpr if isinstance(each, ClosedJaxpr) else each
                    yield _count(inner, path, times * params.get("length", 1) if name == "scan" else times)


def _part(path: str) -> str:
    """Return the outermost part of the model among the named scopes.

    For example, `transpose(jvp(mlp))/…` is in the mlp.
    """
    return next((scope for scope in re.findall(r"[^/()]+", path) if scope in PARTS), OUTSIDE)


def _elementwise(equation: JaxprEqn) -> float:
    counted, out = _ARITHMETIC[equation.primitive.name], equation.outvars[0].aval
    if isinstance(out, ShapedArray) and not jnp.issubdtype(out.dtype, jnp.inexact):
        return 0
    return float(math.prod(_shape((equation.outvars if counted == _OUTPUT else equation.invars)[counted])))


def _dot(equation: JaxprEqn) -> float:
    contracted: Sequence[int] = equation.params["dimension_numbers"][0][0]
    left, out = _shape(equation.invars[0]), _shape(equation.outvars[0])
    return 2.0 * math.prod(out) * math.prod(left[axis] for axis in contracted)


def _ragged_dot(equation: JaxprEqn) -> float:
    """Return the FLOPs of a ragged product.

    Each row of the left side meets one group's matrix, whatever the sizes.
    """
    numbers = equation.params["ragged_dot_dimension_numbers"]
    (_, contracted), (_, batch) = numbers.dot_dimension_numbers
    left, right = map(_shape, equation.invars[:2])
    shared = {*contracted, *batch, *numbers.rhs_group_dimensions}
    return 2.0 * math.prod(left) * math.prod(size for axis, size in enumerate(right) if axis not in shared)


def _convolution(equation: JaxprEqn) -> float:
    kernel, out = _shape(equation.invars[1]), _shape(equation.outvars[0])
    outputs: int = equation.params["dimension_numbers"].rhs_spec[0]
    return 2.0 * math.prod(out) * math.prod(kernel) / kernel[outputs]


def _shape(operand: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = operand.aval.shape
    return shape


_PRODUCTS: dict[str, Callable[[JaxprEqn], float]] = {
    "dot_general": _dot,
    "ragged_dot_general": _ragged_dot,
    "conv_general_dilated": _convolution,
}
