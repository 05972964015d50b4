"""Bytes that the kernels of a compiled program read and write."""

import math

from moebench.measuring.compiled.hlo_text import ArrayType, Computation, Module, Operation

_GATHERED = frozenset(("dynamic-slice", "gather", "slice"))


def traffic(module: Module, computation: Computation, operation: Operation) -> list[float]:
    """Return the bytes of each array that a kernel reads or writes.

    Only arrays in the device's memory are counted.

    Args:
        module: the compiled program.
        computation: computation of the kernel.
        operation: the kernel.
    """
    read: dict[str, float] = {}
    for place, name in enumerate(operation.operands):
        source = computation.by_name[name]
        size: float = sum(each.bytes for each in source.types if not each.space)
        if operation.opcode == "fusion":
            inside = module.computations[operation.called["calls"]]
            size = min(size, _read_inside(inside, inside.parameters[place].name))
        elif operation.opcode in (*_GATHERED, "dynamic-update-slice") and not place:
            size = min(size, result_bytes(operation)) if operation.opcode in _GATHERED else 0
        read[name] = max(read.get(name, 0), size)
    written = [each.bytes for each in _results(operation) if not each.space]
    if "cublas" in operation.target and len(written) > 1:
        written.pop()  # the room to work in, of which a product uses none or little
    if operation.opcode == "dynamic-update-slice":
        written = [result_bytes(computation.by_name[operation.operands[1]])]
    elif operation.opcode == "fusion":
        inside = module.computations[operation.called["calls"]]
        root = next(each for each in inside.operations if each.is_root)
        if root.opcode == "dynamic-update-slice":  # in place
            written = [result_bytes(inside.by_name[root.operands[1]])]
    return [*read.values(), *written]


def _results(operation: Operation) -> tuple[ArrayType, ...]:
    """Return the types of a kernel's outputs.

    The types of an asynchronous operation's start also list its operands, which are left out.
    """
    given = len(operation.operands)
    if operation.opcode == "copy-start":  # (copy, original, context)
        return operation.types[:1]
    if operation.opcode in ("all-gather-start", "collective-permute-start"):  # (operands, results, contexts)
        return operation.types[given : 2 * given]
    return operation.types


def result_bytes(operation: Operation) -> int:
    """Return the bytes of an operation's results."""
    return sum(each.bytes for each in operation.types)


def _read_inside(computation: Computation, name: str) -> float:
    """Return the bytes that a fusion reads of one parameter.

    The fusion may take only slices or rows. Any other use makes the result infinite.
    """
    read = 0.0
    for user in computation.users.get(name, []):
        if user.opcode == "bitcast":
            read += _read_inside(computation, user.name)
        elif user.operands[0] == name and user.opcode in _GATHERED:
            read += result_bytes(user)
        elif user.operands[0] == name and user.opcode == "dynamic-update-slice":
            continue
        else:
            return math.inf
    return read
