"""Read memory, kernels, bytes moved and collectives of a compiled program."""

from collections import Counter
from collections.abc import Callable, Sequence

import jax
from pydantic import BaseModel, ConfigDict

from moebench.measuring.compiled.counts import compiler_flops
from moebench.measuring.compiled.hlo_text import Module, Operation
from moebench.measuring.compiled.products import product_flops
from moebench.measuring.compiled.traffic import result_bytes, traffic
from moebench.measuring.memory import peak_bytes

_PRODUCTS = frozenset(("dot", "convolution", "ragged-dot"))
_COLLECTIVES = (
    *("all-gather", "all-reduce", "all-to-all", "collective-broadcast", "collective-permute", "ragged-all-to-all"),
    "reduce-scatter",
)
_HOST_SPACE = 5
_HOST_OPERATIONS = frozenset(("infeed", "outfeed", "send", "recv"))


class Collective(BaseModel):
    """All collectives of one kind among groups of one shape."""

    model_config = ConfigDict(frozen=True)

    kind: str
    crosses_hosts: bool
    group: int
    """Devices that exchange data with each other."""
    hosts: int
    """Hosts of such a group."""
    count: float
    bytes: float
    """Bytes that one device receives at least, whatever the algorithm."""
    network_bytes: float
    """Part of `bytes` that must come from other hosts, if the devices of a host share the work."""


class Facts(BaseModel):
    """A compiled program: bytes of one device and of one call, kernels, and traffic."""

    model_config = ConfigDict(frozen=True)

    argument_bytes: float
    output_bytes: float
    alias_bytes: float
    temp_bytes: float
    peak_bytes: float
    """Arguments + outputs + temporaries − aliases."""
    moved_bytes: float
    """Bytes read and written by all kernels, if each reads its operands from the device's memory."""
    bound_bytes: float
    """Part of `moved_bytes` that no cache can save: arrays larger than the device's cache whenever a kernel reads or
    writes them, and all other arguments and outputs once, less the size of the cache.
    """
    compiler_flops: float | None
    """FLOPs of one device, as the compiler counts them, every trip of a loop included; None if unknown."""
    product_flops: float | None
    """FLOPs of one device in matrix products of the program; None if the program's text does not show them."""
    kernels: dict[str, float]
    """Calls of kernels by kind."""
    collectives: list[Collective]
    aliased_arguments: float
    """Number of arguments whose memory an output takes over."""
    host_transfers: float
    """Transfers to or from the host within the program."""
    compile_s: float


def read_facts(compiled: jax.stages.Compiled, hosts: Sequence[int], cache_bytes: int, compile_s: float) -> Facts:
    """Return the facts of a compiled program.

    Args:
        compiled: the program.
        hosts: host of each device of the program, in the order of the mesh.
        cache_bytes: size of an array that may stay on the chip between two kernels.
        compile_s: seconds that the compilation took.
    """
    plan = compiled.memory_analysis()
    assert plan is not None
    module = Module.parse(str(compiled.as_text()))
    moved, bound = 0.0, _unavoidable(module, cache_bytes)
    kernels: Counter[str] = Counter()
    for computation, operation, times in module.kernels():
        kernels[kernel_kind(module, operation)] += times
        for size in traffic(module, computation, operation):
            moved += times * size
            bound += times * size if size > cache_bytes else 0
    return Facts(
        argument_bytes=plan.argument_size_in_bytes,
        output_bytes=plan.output_size_in_bytes,
        alias_bytes=plan.alias_size_in_bytes,
        temp_bytes=plan.temp_size_in_bytes,
        peak_bytes=peak_bytes(compiled) or 0,
        moved_bytes=moved,
        bound_bytes=bound,
        compiler_flops=compiler_flops(compiled),
        product_flops=product_flops(module),
        kernels=dict(kernels.most_common()),
        collectives=collectives(module, hosts),
        aliased_arguments=len(module.aliased_parameters),
        host_transfers=sum(map(is_host_transfer, module.operations)),
        compile_s=compile_s,
    )


def kernel_kind(module: Module, operation: Operation) -> str:
    """Return the kind of a kernel in words."""
    if operation.opcode == "custom-call":
        target = operation.target
        if "cublas" in target:
            return "cuBLAS product"
        return "cuDNN attention" if "fmha" in target else f"custom call {target}"
    if operation.opcode == "fusion":
        if module.contains(operation.called["calls"], _PRODUCTS):
            return "product in a fusion"
        triton = "__triton" in operation.attributes
        return "Triton fusion" if triton else f"{operation.fusion_kind.lower()} fusion"
    return _plain(operation.opcode)


def _plain(opcode: str) -> str:
    return opcode.removesuffix("-start")


def is_host_transfer(operation: Operation) -> bool:
    """Return whether an operation moves data between device and host, or calls Python."""
    return (
        operation.opcode in _HOST_OPERATIONS
        or "callback" in operation.target
        or any(each.space == _HOST_SPACE for each in operation.types)
    )


def _unavoidable(module: Module, cache_bytes: int) -> float:
    """Return the bytes of small arguments and outputs beyond the size of the cache.

    An array is small if it fits the cache alone.
    """
    entry = module.computations[module.entry]
    root = next(each for each in entry.operations if each.is_root)
    arrays = [each for parameter in entry.parameters for each in parameter.types] + list(root.types)
    small = sum(each.bytes for each in arrays if each.bytes <= cache_bytes and not each.space)
    return max(0.0, small - cache_bytes)


def collectives(module: Module, hosts: Sequence[int]) -> list[Collective]:
    """Return the collectives of a program, those of equal kind and group together.

    Args:
        module: the program.
        hosts: host of each device of the program.
    """
    found: dict[tuple[str, int, int], list[float]] = {}
    for computation, operation, times in module.kernels():
        kind = _plain(operation.opcode)
        if kind not in _COLLECTIVES:
            continue
        given = sum(result_bytes(computation.by_name[name]) for name in operation.operands)
        groups = [group for group in operation.groups(len(hosts)) if len(group) > 1]
        if not groups:
            continue
        size = len(groups[0])
        spread = max(len({hosts[device] for device in group}) for group in groups)
        received, from_network = _RECEIVED[kind](given, size), _RECEIVED[kind](given, spread) / (size / spread)
        # The devices of a host share the receiving of what the host lacks; each device's part is `given`.
        if kind == "all-gather":
            from_network = given * size * (spread - 1) / spread / (size / spread)
        elif kind in ("all-to-all", "ragged-all-to-all", "collective-permute"):  # each device receives separately
            from_network = received if kind == "collective-permute" else given * (spread - 1) / spread
        sums = found.setdefault((kind, size, spread), [0.0, 0.0, 0.0])
        for index, value in enumerate((1, received, from_network if spread > 1 else 0.0)):
            sums[index] += times * value
    return [
        Collective(
            kind=kind,
            crosses_hosts=spread > 1,
            group=size,
            hosts=spread,
            count=count,
            bytes=received,
            network_bytes=network,
        )
        for (kind, size, spread), (count, received, network) in sorted(found.items())
    ]


_RECEIVED: dict[str, Callable[[float, int], float]] = {
    # Bytes that one of n devices must receive, from the bytes that it gives.
    "all-gather": lambda given, n: given * (n - 1),
    "all-reduce": lambda given, n: 2 * given * (n - 1) / n,
    "reduce-scatter": lambda given, n: given * (n - 1) / n,
    "all-to-all": lambda given, n: given * (n - 1) / n,
    "ragged-all-to-all": lambda given, n: given * (n - 1) / n,
    "collective-permute": lambda given, n: given,
    "collective-broadcast": lambda given, n: given,
}
