"""YAML read with the line of every key, so that a mistake can be shown where it stands."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from moebench.errors import BadInput

Location = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it, such as ("cells", 1, "experts")."""

_MAX_NODES = 20_000  # aliases can make a small file expand without bound
_MAX_DEPTH = 20


class _Loader(yaml.SafeLoader):
    """The safe loader, in which 1e-3 is a number: YAML 1.1 asks for a dot and a sign and reads a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Source:
    """A YAML file's plain values, and the line of each."""

    path: Path
    data: Any
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, at: Location) -> int:
        """The line of a value, or of the nearest thing around it that has one."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def error(self, at: Location, message: str) -> BadInput:
        """A mistake at one place of the file: file:line: message."""
        key = next((str(part) for part in reversed(at) if isinstance(part, str)), None)
        return BadInput(f"{self.path}:{self.line(at)}: {message}", key=key)


def read(path: Path) -> Source:
    """Read a YAML file whose values are texts, numbers, true, false, null, lists and mappings of these.

    Raises BadInput with file and line for a file that cannot be read, is no YAML, repeats a key, or holds
    something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise BadInput(f"cannot read the suite file {path}: {reason}.") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Source:
    """The same as `read`, for a text that is said to come from `path`."""
    source = Source(path, None)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(source, loader)
        data = None if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BadInput(f"{path}:{line}: not valid YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow carries no mark
        raise BadInput(f"{path}: not valid YAML: {str(error).splitlines()[0]}.") from error
    return Source(path, data, source.lines)


def parse_scalar(text: str) -> str | int | float | bool | None:
    """One value as YAML reads it: 16 is a number, soft a text, true a truth value."""
    source = parse(text, Path("command line"))
    value = source.data
    if isinstance(value, list | dict):
        raise BadInput(f"'{text}' should be one value.")
    return cast(str | int | float | bool | None, value)


class _Reader:
    """Turns composed nodes into plain values and notes the line of each."""

    def __init__(self, source: Source, loader: _Loader) -> None:
        self.source, self.loader, self.nodes = source, loader, 0

    def value(self, node: yaml.Node, at: Location) -> Any:
        self.nodes += 1
        self.source.lines.setdefault(at, node.start_mark.line + 1)
        if self.nodes > _MAX_NODES or len(at) > _MAX_DEPTH:
            raise self.source.error(at, "the file is too large or nested too deeply for a suite.")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*at, index)) for index, item in enumerate(node.value)]
        return self.scalar(node, at)

    def mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.loader.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise BadInput(f"{self.source.path}:{line}: a key must be a text, not {key_node.value!r}.")
            if key in values:
                first = self.source.line((*at, key))
                raise BadInput(
                    f"{self.source.path}:{line}: the key '{key}' stands here twice, first in line {first}.",
                    key=key,
                )
            self.source.lines[(*at, key)] = line
            values[key] = self.value(value_node, (*at, key))
        return values

    def scalar(self, node: yaml.Node, at: Location) -> str | int | float | bool | None:
        value = self.loader.construct_object(node)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.source.error(at, f"{node.value} is not a finite number.")
        if value is None or isinstance(value, str | int | float | bool):
            return value
        raise self.source.error(at, f"{node.value!r} reads as a {type(value).__name__}; write it in quotes.")
