"""Count the FLOPs of a compiled program's matrix products, as one device runs them."""

import math
import re

from moebench.measuring.compiled.hlo_text import Computation, Module, Operation

_CONTRACTED = re.compile(r'lhs_contracting_dim(?:ension)?s"?[=:][{\[]([^}\]]*)[}\]]')
_SCORES = re.compile(r'"intermediate_tensor_shape":\s*\{[^}]*?"dimensions":\s*\[([^\]]*)\]')
_UNREADABLE = frozenset(("convolution", "ragged-dot"))
_FORWARD, _BACKWARD = 2, 5
"""Products of fused attention: scores and outputs; in the backward pass scores again, and four gradients."""


def product_flops(module: Module) -> float | None:
    """Return the FLOPs of all products of a device; None if unknown.

    The FLOPs are unknown if the text of a product shows none.

    Args:
        module: the compiled program, with products in cuBLAS, fused attention in cuDNN, and plain products.
    """
    total = 0.0
    for computation, operation, times in module.kernels():
        found = _of_kernel(module, computation, operation)
        if found is None:
            return None
        total += times * found
    return total


def _of_kernel(module: Module, computation: Computation, operation: Operation) -> float | None:
    if operation.opcode == "fusion":
        inside = module.computations[operation.called["calls"]]
        found = [_of_kernel(module, inside, each) for each in inside.operations]
        return None if None in found else math.fsum(each for each in found if each is not None)
    if operation.opcode in _UNREADABLE:
        return None
    if operation.opcode == "dot" or "cublas" in operation.target:
        contracted = _CONTRACTED.search(operation.attributes)
        shape = computation.by_name[operation.operands[0]].types[0].shape
        if contracted is None:
            return None
        places = [int(place) for place in re.findall(r"\d+", contracted[1])]
        return 2.0 * math.prod(operation.types[0].shape) * math.prod(shape[place] for place in places)
    if "fmha" in operation.target:
        scores = _SCORES.search(operation.attributes)
        if scores is None:
            return None
        images, heads, queries, keys = map(int, re.findall(r"\d+", scores[1]))
        width = math.prod(operation.types[0].shape) / (images * heads * queries)
        products = _BACKWARD if "Backward" in operation.target else _FORWARD
        return products * 2.0 * images * heads * queries * keys * width
    return 0.0
