"""Digests that distinguish cells: of the specification, and of the code that computes the results.

The code of a cell is the import closure of the cell program inside this package, and the strategies of the cell's
routers: the modules of a router's own classes and their imports. Other strategies are not part of the code. A change of
a module counts if it changes the syntax tree; docstrings, comments and positions do not count.

A plugin counts together with the modules beside it that it imports. Unknown are a data file that a plugin reads, a
module that a plugin finds elsewhere, and a module whose name is put together at run time: after a change of these, run
with `--fresh`.
"""

import importlib.util
from functools import cache
from pathlib import Path

from moebench import routers
from moebench.cells.import_closure import Modules, PackageSources, Sources, digests
from moebench.errors import BadInput
from moebench.routers import plugins, registry

CELL_PROGRAM = "moebench.cells.run"
"""Module that runs a cell; everything that it imports can change results."""
VERSIONS = (
    *("jax_version", "jaxlib_version", "flax_version", "optax_version"),
    *("numpy_version", "pillow_version", "scikit_learn_version"),
)
"""Columns with the versions of libraries that compute; part of a cell's fingerprint."""


class Code:
    """The code of cells, each module read and parsed once.

    Args:
        package: the file of the package's `__init__`; None: of the package that runs.
    """

    def __init__(self, package: Path | None = None) -> None:
        root = _root(CELL_PROGRAM)
        self._packages = {root}
        self._sources: dict[str, Sources | None] = {root: PackageSources(package)} if package else {}
        self._modules = Modules(self._find_sources)
        self._shared: frozenset[str] | None = None
        # By classes and not by names: an edited plugin has another class of equal name.
        self._of_router: dict[type, frozenset[str]] = {}
        self._digests: dict[frozenset[type], list[str]] = {}

    def shared(self) -> frozenset[str]:
        """Return the modules that every cell needs."""
        if self._shared is None:
            self._shared = self._modules.closure([CELL_PROGRAM], _strategies())
        return self._shared

    def of_router(self, name: str) -> frozenset[str]:
        """Return the modules that a router needs beside those that every cell needs.

        Raises:
            BadInput: no router has that name, or its class was not read from a file.
        """
        router = routers.find(name)
        if router not in self._of_router:
            self._packages |= {_root(module) for module in _strategies()}
            self._of_router[router] = self._closure_of(router)
        return self._of_router[router]

    def digests(self, *names: str) -> list[str]:
        """Return a name and a digest of each module that cells with these routers need.

        Raises:
            BadInput: no router has one of the names, or its class was not read from a file.
        """
        classes = frozenset(routers.find(name) for name in names)
        if classes not in self._digests:
            modules = self.shared().union(*map(self.of_router, names))
            # A plugin counts by its content and not by its path, which is part of its module's name.
            shown = {_root(name): "plugin" for name in modules if plugins.plugin_of(name)}
            self._digests[classes] = digests(self._modules, modules | self._modules.around(modules), shown)
        return self._digests[classes]

    def _closure_of(self, router: type[routers.Router]) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        waiting = [router]
        while waiting:
            classes = waiting.pop().__mro__
            starts = [cls.__module__ for cls in classes if _root(cls.__module__) in self._packages]
            for start in starts:
                if not self._modules.locate(start):
                    raise BadInput(
                        f"router '{router.name}' is defined in {start}, which was read from no file: put its class "
                        "into a file and name that file as a plugin.",
                        key="router",
                    )
            new = self._modules.closure(starts, _strategies(), self.shared() | found)
            found |= new
            # A strategy may be built from another by its registered name.
            named = {text for module in new for text in self._modules.syntax(module).called_with}
            waiting += [routers.find(name) for name in sorted(named.intersection(registry.registered()))]
        return found

    def _find_sources(self, root: str) -> Sources | None:
        plugin = plugins.plugin_of(root)  # not cached: an edited plugin is another plugin
        if plugin is not None or root not in self._packages:
            return plugin
        if root not in self._sources:
            self._sources[root] = _sources(root)
        return self._sources[root]


def _sources(package: str) -> Sources | None:
    """Return the sources of a package's modules; None for modules without a file."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # of __main__, and of modules that were made by hand
        return None
    return PackageSources(Path(spec.origin)) if spec and spec.origin else None


def _strategies() -> set[str]:
    """Return the modules in which registered routers are defined."""
    return {routers.find(name).__module__ for name in registry.registered()}


def _root(module: str) -> str:
    return module.partition(".")[0]


@cache
def _code() -> Code:
    return Code()


def code(*names: str) -> list[str]:
    """Return name and digest of each module that affects results of cells with these routers.

    The answer is computed once in a process for each router.

    Raises:
        BadInput: no router has one of the names, or its class was not read from a file.
    """
    return _code().digests(*names)
