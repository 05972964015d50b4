"""Read YAML with the line of every key.

Messages can then name the line of a mistake. Files are small, and a large file is rejected before it costs time: its
size is checked before reading, nodes and depth are counted during parsing, and again when aliases and merge keys are
resolved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from moebench.errors import BadInput, shortened
from moebench.files import read_small
from moebench.spec import yaml_problems
from moebench.spec.plain_values import Plain, plain_value

Location = tuple[str | int, ...]
"""Path of a value: the keys and list positions that lead to the value, such as ("cells", 1, "experts")."""

_MAX_BYTES = 100_000
"""Bytes that are parsed in about a second. The largest suite of moebench has 5,000."""
_MAX_NODES = 20_000  # aliases can make a small file expand without bound
_MAX_DEPTH = 20
_TOO_LARGE = "the file is too large or nested too deeply for a suite."
_PLAIN, _TEXT = "plain", "tag:yaml.org,2002:str"
_MERGE = "<<"


@dataclass(frozen=True)
class Source:
    """A YAML file's plain values, and the line of each."""

    path: Path
    data: Any
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, at: Location) -> int:
        """Return the line of a value, or of the nearest enclosing value.

        Values without a line are skipped; the last resort is line 1.
        """
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def error(self, at: Location, message: str) -> BadInput:
        """Return a mistake at one place of the file: file:line: message."""
        key = next((str(part) for part in reversed(at) if isinstance(part, str)), None)
        return _error(self.path, self.line(at), message, key)


def read(path: Path) -> Source:
    """Read a YAML file of plain values, lists and mappings.

    Plain values are texts, numbers, true, false and null.

    Raises:
        BadInput: the file cannot be read, is too large, is no YAML, repeats a key, or contains another type; the
            message names the file and the line.
    """
    content = read_small(path, _MAX_BYTES, "suite file")
    try:
        return parse(content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise BadInput(f"cannot read the suite file {path}: it is no UTF-8 text.") from error


def parse(text: str, path: Path) -> Source:
    """Parse a YAML text.

    Args:
        text: the text.
        path: path of the text's file, for messages.

    Raises:
        BadInput: as `read`.
    """
    reader = _Reader(path)
    try:
        node = _Composer(text, path).get_single_node()
        data = None if node is None else reader.value(node, ())
    except yaml.YAMLError as error:
        message = f"not valid YAML: {yaml_problems.sentence(error)}."
        raise _error(path, yaml_problems.line(error, text), message) from error
    return Source(path, data, reader.lines)


def parse_scalar(text: str) -> Plain:
    """Return one value of the command line, read as in a suite.

    16 is a number, soft is a text, and true is a truth value.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return plain_value(text)


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer, which distinguishes plain scalars from quoted ones and interprets neither."""

    def __init__(self, text: str, path: Path) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.path, self.nodes, self.depth = path, 0, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node, unless the file has too many nodes or nests them too deeply."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > _MAX_NODES or self.depth > _MAX_DEPTH:
            raise _error(self.path, self.line + 1, _TOO_LARGE)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none of its own."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return "seq" if kind is yaml.SequenceNode else "map"


class _Reader:
    """A converter of composed nodes to plain values, which records the line of each value."""

    def __init__(self, path: Path, nodes: int = 0, depth: int = 0) -> None:
        self.path, self.nodes, self.depth = path, nodes, depth
        self.lines: dict[Location, int] = {}

    def value(self, node: yaml.Node, at: Location) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(at, line)
        if self.nodes > _MAX_NODES or self.depth + len(at) > _MAX_DEPTH:
            raise _error(self.path, line, _TOO_LARGE)
        if isinstance(node, yaml.MappingNode) and node.tag == "map":
            return self.mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == "seq":
            return [self.value(item, (*at, index)) for index, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        """Return a mapping; its own keys take precedence over keys that `<<` merges."""
        values: dict[str, Any] = {}
        merged: list[yaml.MappingNode] = []
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = self.key(key_node), key_node.start_mark.line + 1
            if key in first:
                message = f"the key '{shortened(key)}' occurs twice, first in line {first[key]}."
                raise _error(self.path, line, message, key)
            first[key] = line
            if key == _MERGE and key_node.tag == _PLAIN:
                merged += self.merged(value_node, line)
                continue
            self.lines[(*at, key)] = line
            values[key] = self.value(value_node, (*at, key))
        for other in merged:
            self.merge(other, at, values)
        return values

    def merged(self, node: yaml.Node, line: int) -> Iterator[yaml.MappingNode]:
        """Yield the mappings after `<<`: one, or a list of them."""
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(each, yaml.MappingNode):
                raise _error(self.path, line, "'<<' merges mappings: write <<: *anchor, or <<: [*one, *other].", _MERGE)
            yield each

    def merge(self, node: yaml.MappingNode, at: Location, values: dict[str, Any]) -> None:
        """Add the keys of a mapping that `values` lacks, with their lines in that mapping."""
        other = _Reader(self.path, self.nodes, self.depth + len(at) + 1)
        new = {key: value for key, value in other.value(node, ()).items() if key not in values}
        self.nodes = other.nodes
        values.update(new)
        self.lines.update({(*at, *place): line for place, line in other.lines.items() if place and place[0] in new})

    def key(self, node: yaml.Node) -> str:
        key = self.scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            shown = f"'{shortened(node.value)}'" if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
            raise _error(self.path, node.start_mark.line + 1, f"a key must be a text, not {shown}.")
        return key

    def scalar(self, node: yaml.Node) -> Plain:
        line = node.start_mark.line + 1
        if node.tag not in (_PLAIN, _TEXT):
            raise _error(self.path, line, f"not valid YAML: {yaml_problems.TAG}.")
        try:
            return plain_value(node.value) if node.tag == _PLAIN else str(node.value)
        except BadInput as error:
            raise _error(self.path, line, str(error)) from error


def _error(path: Path, line: int, message: str, key: str | None = None) -> BadInput:
    return BadInput(f"{path}:{line}: {message}", key=key)
