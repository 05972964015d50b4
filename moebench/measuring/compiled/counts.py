"""FLOPs and bytes of compiled programs as the compiler counts them, every trip of a loop included.

XLA's cost analysis counts the body of a loop once, however often the loop runs. A model of many layers runs equal
blocks in a loop, so that its counts would lack most of the blocks.
"""

import math

import jax

from moebench.measuring.compiled.hlo_text import Module, Operation
from moebench.measuring.compiled.products import product_flops
from moebench.measuring.compiled.traffic import traffic

_NO_ARITHMETIC = frozenset(
    (
        *(
            "parameter",
            "constant",
            "iota",
            "tuple",
            "get-tuple-element",
            "bitcast",
            "broadcast",
            "reshape",
            "transpose",
        ),
        *(
            "copy",
            "convert",
            "select",
            "slice",
            "dynamic-slice",
            "dynamic-update-slice",
            "gather",
            "concatenate",
            "pad",
        ),
        *("dot", "custom-call"),
    )
)


def compiler_flops(program: jax.stages.Compiled) -> float | None:
    """Return a program's FLOPs as its compiler counts them, every trip of a loop included.

    Element-wise work is included. In a program with loops, products are counted from their shapes. The compiler's count
    of all other work has the body of a loop once, and is scaled by the number of element-wise results of all trips over
    that of single trips. The result is None if the compiler does not count FLOPs, or does not know how often a loop
    runs.
    """
    counted = _counted(program, "flops")
    module = _with_loops(program)
    if counted is None or module is None:
        return counted
    single = module.with_single_trips()
    products, once = product_flops(module), product_flops(single)
    if products is None or once is None or not module.trips_are_known:
        return None
    elements, elements_once = _elements(module), _elements(single)
    return products + (counted - once) * (elements / elements_once if elements_once else 1.0)


def moved_bytes(program: jax.stages.Compiled) -> float | None:
    """Return the bytes that a program reads and writes, every trip of a loop included.

    The bytes are those of the compiler's count if the program has no loop, and otherwise the sum over all kernels, each
    of which reads its operands and writes its results. The result is None if the compiler does not count bytes, or does
    not know how often a loop runs.
    """
    counted = _counted(program, "bytes accessed")
    module = _with_loops(program)
    if counted is None or module is None:
        return counted
    if not module.trips_are_known:
        return None
    return sum(times * sum(traffic(module, inside, operation)) for inside, operation, times in module.kernels())


def _counted(program: jax.stages.Compiled, name: str) -> float | None:
    count = (program.cost_analysis() or {}).get(name, -1.0)
    return float(count) if count > 0 else None


def _with_loops(program: jax.stages.Compiled) -> Module | None:
    """Return the program as text if it has a loop; None otherwise."""
    text = program.as_text() or ""
    return Module.parse(text) if " while(" in text else None


def _elements(module: Module) -> float:
    """Return the number of results of all element-wise operations."""
    return math.fsum(
        times * math.prod(each.shape)
        for _, operation, times in module.kernels()
        for inside in _inside(module, operation)
        if inside.opcode not in _NO_ARITHMETIC
        for each in inside.types
    )


def _inside(module: Module, operation: Operation) -> list[Operation]:
    """Return the operations of a fusion, or an operation that is none."""
    return module.computations[operation.called["calls"]].operations if operation.opcode == "fusion" else [operation]
