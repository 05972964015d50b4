"""Find the modules of a program by the imports in their syntax trees.

No module is run. Every import counts, also one inside a function, except imports below `if TYPE_CHECKING:`, which never
run. The imports of an imported module count in turn. The packages around an imported module are part of the program,
but the imports of their `__init__` count only if the package itself is named, as by `from package import name`. Modules
whose names are put together at run time are not found.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

from moebench.code.module_syntax import Import, Syntax, parse
from moebench.errors import BadInput
from moebench.routers.plugins import in_words, module_file


@runtime_checkable
class Sources(Protocol):
    """The files of the modules of one package or of one plugin."""

    def locate(self, name: str) -> Path | None:
        """Return a module's file by its name inside the package, "" for the package.

        The result is None if there is no such module.
        """

    def read(self, file: Path) -> bytes:
        """Return the text of a file."""


class PackageSources:
    """The modules of a package on disk, or a module that is no package."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.locate = cache(self._located)
        self.read = cache(Path.read_bytes)

    def _located(self, name: str) -> Path | None:
        if not name:
            return self.file
        return module_file(self.file.parent, name) if self.file.name == "__init__.py" else None


class Modules:
    """Modules by their full names, and the imports of each module."""

    def __init__(self, find_sources: Callable[[str], Sources | None]) -> None:
        self.find_sources = find_sources

    def locate(self, name: str) -> Path | None:
        """Return the file of a module; None for modules whose sources are not known."""
        root, _, rest = name.partition(".")
        sources = self.find_sources(root)
        return sources.locate(rest) if sources else None

    def syntax(self, name: str) -> Syntax:
        """Return the syntax of a module.

        Raises:
            BadInput: the module cannot be found, read or parsed.
        """
        root, _, rest = name.partition(".")
        sources = self.find_sources(root)
        file = sources.locate(rest) if sources else None
        if sources is None or file is None:
            raise BadInput(f"there is no source file of the module {name}, which a cell needs.")
        try:
            return parse(sources.read(file))
        except (OSError, SyntaxError, ValueError) as error:
            raise BadInput(f"cannot read {file}, which a cell needs: {in_words(error)}.") from error

    def is_package(self, name: str) -> bool:
        """Return whether a located module is a package's `__init__`."""
        file = self.locate(name)
        return file is not None and file.name == "__init__.py"

    def closure(
        self, starts: Iterable[str], optional: Collection[str] = (), known: Collection[str] = ()
    ) -> frozenset[str]:
        """Return the modules that some modules need, including themselves.

        Args:
            starts: the modules to begin with.
            optional: modules that a package's `__init__` may import for others; their imports from there do not count.
            known: modules that are neither read again nor returned.
        """
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            name = waiting.pop()
            if name in found or name in known:
                continue
            found.add(name)
            waiting += self._needed(name, optional)
        return frozenset(found)

    def around(self, names: Iterable[str]) -> frozenset[str]:
        """Return the packages around some modules."""
        outer = {name[:end] for name in names for end, letter in enumerate(name) if letter == "."}
        return frozenset(name for name in outer if self.locate(name))

    def _needed(self, name: str, optional: Collection[str]) -> set[str]:
        syntax = self.syntax(name)
        if self.is_package(name):
            return {target for each in syntax.imports for target in self._targets(name, each)} - set(optional)
        bound: dict[str, str] = {}
        found = set()
        for each in syntax.imports:
            for target in self._targets(name, each):
                found.add(target)
                found |= self._reexported(target, {each.name} | syntax.attributes) & set(optional)
                bound[each.bound] = each.bound if each.name is None and each.bound != each.module else target
        for chain in syntax.chains:
            root, _, rest = chain.partition(".")
            if root in bound:
                found |= self._along(self._absolute(name, bound[root]), rest)
        return found

    def _absolute(self, importer: str, module: str, level: int = 0) -> str:
        """Return the full name of a module that an import statement names."""
        root = importer.partition(".")[0]
        if level:
            package = importer if self.is_package(importer) or importer == root else importer.rpartition(".")[0]
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            return f"{package}.{module}".strip(".")
        # A plugin names the modules beside it without a package.
        beside = f"{root}.{module}"
        return beside if module != root and self.is_beside(root, module) else module

    def is_beside(self, root: str, module: str) -> bool:
        """Return whether a module of a plugin finds another module beside the plugin.

        Args:
            root: top-level name of the plugin.
            module: name of the other module.
        """
        sources = self.find_sources(root)
        if sources is None or isinstance(sources, PackageSources):
            return False
        return sources.locate(module.partition(".")[0]) is not None

    def _targets(self, importer: str, statement: Import) -> list[str]:
        """Return the modules that an import statement names, if their sources are known."""
        module = self._absolute(importer, statement.module, statement.level)
        if statement.name is None:
            return [module] if self.locate(module) else []
        inner = f"{module}.{statement.name}"
        if self.locate(inner):
            return [inner]
        if not self.locate(module):
            return []
        late = self.syntax(module).for_types if self.is_package(module) else ()
        late_targets = [t for each in late if each.bound == statement.name for t in self._targets(module, each)]
        return [module, *late_targets]

    def _reexported(self, package: str, names: Collection[str | None]) -> set[str]:
        """Return the modules from which a package's `__init__` imports some names."""
        if not self.is_package(package):
            return set()
        imports = [each for each in self.syntax(package).imports if each.bound in names]
        return {target for each in imports for target in self._targets(package, each)}

    def _along(self, module: str, rest: str) -> set[str]:
        """Return the modules that a chain of attributes goes through, as `package.module.name` does."""
        found = set()
        for part in rest.split("."):
            module = f"{module}.{part}"
            if not self.locate(module):
                break
            found.add(module)
        return found


def digests(modules: Modules, names: Iterable[str], shown: Mapping[str, str] | None = None) -> list[str]:
    """Return a name and a digest of each module, in the order of names.

    Args:
        modules: source of the modules.
        names: full names of the modules.
        shown: other top-level names to write, because a plugin's own name contains the path of its file.
    """
    found = []
    for name in names:
        root, dot, rest = name.partition(".")
        found.append(f"{(shown or {}).get(root, root)}{dot}{rest} {modules.syntax(name).digest}")
    return sorted(found)
