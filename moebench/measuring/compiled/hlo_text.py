"""Read the text of a compiled program: its computations and their operations.

Each operation has its types and operands. The text is what `jax.stages.Compiled.as_text` returns. No public interface
of JAX gives the operations themselves.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_NAMED = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"([\w\-]+)\(")
_OPERAND = re.compile(r"%([\w.\-]+)")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,<=]*)\](\{[^}]*\})?")
_SPACE = re.compile(r"S\((\d+)\)")
_BITS = re.compile(r"[a-z]+?(\d+)")
_CALLED = re.compile(r"\b(calls|to_apply|body|condition)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_KIND = re.compile(r"\bkind=k(\w+)")
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_LISTED = re.compile(r"\breplica_groups=\{((?:\{[\d,]*\},?)*)\}")
_IOTA = re.compile(r"\breplica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_PAIRS = re.compile(r"\bsource_target_pairs=\{((?:\{\d+,\d+\},?)*)\}")
_CLOSING = {"(": ")", "{": "}", "[": "]"}


@dataclass(frozen=True)
class ArrayType:
    """Type of one array."""

    dtype: str
    shape: tuple[int, ...]
    space: int = 0
    """Memory space: 0 is the device's memory; others are on the chip, or on the host (5)."""

    @property
    def bytes(self) -> int:
        """Size, without padding of tiled layouts."""
        bits = _BITS.match(self.dtype)
        width = 8 if self.dtype == "pred" else int(bits[1]) if bits else 0
        return math.ceil(math.prod(self.shape) * width / 8)


@dataclass(frozen=True)
class Operation:
    """One line of a computation."""

    name: str
    opcode: str
    types: tuple[ArrayType, ...]
    """Types of the results: several for a tuple."""
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @property
    def called(self) -> dict[str, str]:
        """Computations that run inside of this operation, by the attribute that names them."""
        return dict(_CALLED.findall(self.attributes))

    @property
    def branches(self) -> tuple[str, ...]:
        """Computations of which a conditional runs one."""
        found = _BRANCHES.search(self.attributes)
        return tuple(_OPERAND.findall(found[1])) if found else ()

    @property
    def trips(self) -> int:
        """Number of times that the body of a loop runs; 1 if unknown.

        The compiler does not always give the number.
        """
        found = _TRIPS.search(self.attributes)
        return int(found[1]) if found else 1

    @property
    def target(self) -> str:
        """Library function of a custom call."""
        found = _TARGET.search(self.attributes)
        return found[1] if found else ""

    @property
    def fusion_kind(self) -> str:
        """The kind of a fusion: Loop, Input, Output or Custom."""
        found = _KIND.search(self.attributes)
        return found[1] if found else ""

    @property
    def scope(self) -> str:
        """The JAX operation from which this operation comes, with the named scopes around it."""
        found = _OP_NAME.search(self.attributes)
        return found[1] if found else ""

    def groups(self, devices: int) -> list[list[int]]:
        """Return the groups of devices among which a collective runs, by number of the device.

        Args:
            devices: devices of the whole program, which are one group if the operation names none.
        """
        if listed := _LISTED.search(self.attributes):
            groups = re.findall(r"\{([\d,]+)\}", listed[1])
            return [_numbers(group) for group in groups] or [list(range(devices))]
        if iota := _IOTA.search(self.attributes):
            return _iota_groups(_numbers(iota[1]), _numbers(iota[2]), _numbers(iota[3] or ""))
        if pairs := _PAIRS.search(self.attributes):
            return [_numbers(pair) for pair in re.findall(r"\{([\d,]+)\}", pairs[1])]
        return [list(range(devices))]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _iota_groups(shape: list[int], reshaped: list[int], permutation: list[int]) -> list[list[int]]:
    """Return the groups of the short form [groups, members]<=[reshaped]T(permutation)."""
    axes = permutation or list(range(len(reshaped)))
    strides = [math.prod(reshaped[axis + 1 :]) for axis in range(len(reshaped))]
    order = [0]
    for axis in axes:
        order = [place + strides[axis] * index for place in order for index in range(reshaped[axis])]
    members = shape[-1]
    return [order[start : start + members] for start in range(0, len(order), members)]


@dataclass(frozen=True)
class Computation:
    """Operations in the order in which they run."""

    name: str
    operations: list[Operation] = field(default_factory=list)

    @cached_property
    def by_name(self) -> dict[str, Operation]:
        """Operations by name."""
        return {operation.name: operation for operation in self.operations}

    @cached_property
    def users(self) -> dict[str, list[Operation]]:
        """Operations that read each operation."""
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            for operand in dict.fromkeys(operation.operands):
                found.setdefault(operand, []).append(operation)
        return found

    @cached_property
    def parameters(self) -> list[Operation]:
        """Parameters in the order of their numbers."""
        numbered = [op for op in self.operations if op.opcode == "parameter"]
        return sorted(numbered, key=lambda op: int(op.attributes.partition(")")[0]))


@dataclass(frozen=True)
class Module:
    """A compiled program."""

    header: str
    computations: dict[str, Computation]
    entry: str

    @classmethod
    def parse(cls, text: str) -> "Module":
        """Read the text of a compiled program.

        Raises:
            ValueError: the text has no entry computation.
        """
        lines = iter(text.splitlines())
        header, computations, entry = next(lines, ""), {}, ""
        current: Computation | None = None
        for line in lines:
            if current is None:
                if (found := _COMPUTATION.match(line)) and not line.startswith(" "):
                    current = computations[found[2]] = Computation(found[2])
                    entry = found[2] if found[1] else entry
            elif line.startswith("}"):
                current = None
            elif operation := _operation(line):
                current.operations.append(operation)
        if not entry:
            raise ValueError("a compiled program without an entry computation")
        return cls(header, computations, entry)

    @property
    def operations(self) -> Iterator[Operation]:
        """Yield every operation once, inside of fusions and loops as well."""
        for computation in self.computations.values():
            yield from computation.operations

    def contains(self, computation: str, opcodes: frozenset[str]) -> bool:
        """Return whether a computation, or one called by it, has an operation of these kinds."""
        return any(
            operation.opcode in opcodes
            or any(self.contains(called, opcodes) for called in (*operation.called.values(), *operation.branches))
            for operation in self.computations[computation].operations
        )

    @property
    def trips_are_known(self) -> bool:
        """Whether the text has the number of trips of each loop."""
        return all(_TRIPS.search(each.attributes) for each in self.operations if each.opcode == "while")

    def with_single_trips(self) -> "Module":
        """Return the program with loops of one trip."""

        def single(each: Operation) -> Operation:
            return replace(each, attributes=_TRIPS.sub("", each.attributes)) if each.opcode == "while" else each

        found = {name: Computation(name, list(map(single, own.operations))) for name, own in self.computations.items()}
        return Module(self.header, found, self.entry)

    def kernels(self) -> Iterator[tuple[Computation, Operation, int]]:
        """Yield the kernels of a device, with their computation and number of runs.

        A kernel in a loop runs once in every trip.
        """
        yield from self._kernels(self.entry, 1)

    def _kernels(self, computation: str, times: int) -> Iterator[tuple[Computation, Operation, int]]:
        inside = self.computations[computation]
        for operation in inside.operations:
            if operation.opcode == "while":
                yield from self._kernels(operation.called["body"], times * operation.trips)
            elif operation.opcode in ("call", "async-start"):
                yield from self._kernels(next(iter(operation.called.values())), times)
            elif operation.opcode == "conditional":
                branches = [list(self._kernels(branch, times)) for branch in operation.branches]
                yield from max(branches, key=len, default=[])
            elif operation.opcode not in _NO_KERNEL and not operation.opcode.endswith("-done"):
                yield inside, operation, times

    @property
    def aliased_parameters(self) -> set[int]:
        """Numbers of the parameters whose memory an output takes over."""
        start = self.header.find("input_output_alias={")
        if start < 0:
            return set()
        inside = _bracketed(self.header, start + len("input_output_alias="))
        return {int(number) for number in re.findall(r"\{[\d,\s]*\}: \((\d+), \{", inside)}


_NO_KERNEL = frozenset(
    (
        *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id"),
        *("opt-barrier", "optimization-barrier", "add-dependency", "domain"),
    )
)


def _operation(line: str) -> Operation | None:
    """Return the operation of a line such as `%y = f32[8]{0} add(%a, %b), metadata={…}`."""
    named = _NAMED.match(line)
    if named is None:
        return None
    rest = line[named.end() :]
    typed = _bracketed(rest, 0) if rest.startswith("(") else rest.partition(" ")[0]
    opcode = _OPCODE.match(rest, len(typed) + 1)
    if opcode is None:
        return None
    inside = _bracketed(rest, opcode.end() - 1)
    attributes = rest[opcode.end() - 1 + len(inside) :]
    if opcode[1] == "parameter":  # its number is in the place of operands
        attributes = inside[1:] + attributes
    return Operation(
        name=named[2],
        opcode=opcode[1],
        types=_types(typed),
        operands=tuple(_OPERAND.findall(inside)),
        attributes=attributes,
        is_root=bool(named[1]),
    )


@lru_cache(maxsize=10_000)  # a program has few types and many operations
def _types(text: str) -> tuple[ArrayType, ...]:
    found = []
    for dtype, shape, layout in _ARRAY.findall(text):
        space = _SPACE.search(layout)
        sizes = tuple(int(size.lstrip("<=")) for size in shape.split(",") if size)
        found.append(ArrayType(dtype, sizes, int(space[1]) if space else 0))
    return tuple(found)


def _bracketed(text: str, start: int) -> str:
    """Return the text from an opening bracket to the one that closes it."""
    opening = text[start]
    closing, depth = _CLOSING[opening], 0
    first = text.find(closing, start)
    if text.find(opening, start + 1, first) < 0:
        return text[start : first + 1] if first >= 0 else text[start:]
    for place in range(start, len(text)):
        depth += (text[place] == opening) - (text[place] == closing)
        if not depth:
            return text[start : place + 1]
    return text[start:]
