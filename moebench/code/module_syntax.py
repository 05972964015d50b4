"""Read a module's executed code, imports and used names from its syntax tree."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Import:
    """One name that an import statement binds."""

    module: str
    """The module as written, without the dots of a relative import."""
    level: int
    """Number of dots before the module; 0 for an absolute import."""
    name: str | None
    """Name imported from the module; None for `import module`."""
    bound: str
    """Name that the statement binds."""


@dataclass(frozen=True)
class Syntax:
    """Facts about the text of one source file, independent of its path."""

    digest: str
    """Digest of the executed code: without docstrings, positions and statements below `if TYPE_CHECKING:`."""
    imports: tuple[Import, ...]
    """Every import that can run."""
    for_types: tuple[Import, ...]
    """Imports below `if TYPE_CHECKING:`, by which a package lists modules that it loads on first use."""
    chains: frozenset[str]
    """Every `name.attribute.attribute` of the text."""
    attributes: frozenset[str]
    """Names of all attributes that are used."""
    called_with: frozenset[str]
    """Texts that are the first argument of some call."""


@cache
def parse(source: bytes) -> Syntax:
    """Parse a source text, once in a process.

    Raises:
        SyntaxError: the text is no Python.
    """
    reader = _Reader()
    content = reader.plain(ast.parse(source))
    return Syntax(
        digest=hashlib.sha256(repr(content).encode()).hexdigest()[:16],
        imports=tuple(reader.imports),
        for_types=tuple(reader.for_types),
        chains=frozenset(reader.chains),
        attributes=frozenset(reader.attributes),
        called_with=frozenset(reader.called_with),
    )


class _Reader:
    """A visitor that walks through a tree once and records what import closures need."""

    def __init__(self) -> None:
        self.imports: list[Import] = []
        self.for_types: list[Import] = []
        self.chains: set[str] = set()
        self.attributes: set[str] = set()
        self.called_with: set[str] = set()

    def plain(self, node: ast.AST) -> tuple[object, ...]:
        """Return the executed code of a tree as nested tuples, without empty fields.

        Versions of Python differ in empty fields.
        """
        self._note(node)
        found: list[object] = [type(node).__name__]
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                found.append((name, self.plain(value)))
            elif isinstance(value, list):
                if value := self._running(value):
                    found.append((name, *(self.plain(each) if isinstance(each, ast.AST) else each for each in value)))
            elif value is not None or (isinstance(node, ast.Constant) and name == "value"):
                found.append((name, type(value).__name__, repr(value)))
        return tuple(found)

    def _running(self, nodes: list[Any]) -> list[Any]:
        """Return the executed statements of a list: no bare texts, no imports for types."""
        found = []
        for node in nodes:
            if isinstance(node, ast.If) and (_chain(node.test) or "").rpartition(".")[2] == "TYPE_CHECKING":
                self.for_types += (each for inner in node.body for each in _imports(inner))
                found += self._running(node.orelse)
            elif not (isinstance(node, ast.Expr) and _is_text(node.value)):
                found.append(node)
        return found

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports += _imports(node)
        elif isinstance(node, ast.Attribute):
            self.attributes.add(node.attr)
            self.chains.add(_chain(node) or "")
        elif isinstance(node, ast.Call) and node.args and _is_text(node.args[0]):
            self.called_with.add(ast.literal_eval(node.args[0]))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _imports(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, 0, None, alias.asname or alias.name.partition(".")[0])
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield Import(node.module or "", node.level, alias.name, alias.asname or alias.name)


def _chain(node: ast.expr) -> str | None:
    """Return `name.attribute.attribute` if an expression is such a chain, else None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _chain(node.value)
        return f"{before}.{node.attr}" if before else None
    return None
