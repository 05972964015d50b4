"""Register routing strategies by name, in fvcore's Registry."""

import inspect
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from flax import nnx
from fvcore.common.registry import Registry

from moebench.errors import BadInput, unknown
from moebench.routers.router import Router

R = TypeVar("R", bound=type[nnx.Module])

ENTRY_POINTS = "moebench.routers"
"""Group of the entry points by which an installed package adds routers; each names a module that registers them."""

_REGISTRY = Registry(ENTRY_POINTS)
_GIVEN_BY_THE_LAYER = ("self", "dim", "rngs")


class Entry:
    """A registered router; fvcore's registry names an object by its `__name__`."""

    def __init__(self, name: str, given: type[nnx.Module]) -> None:
        self.__name__ = name
        self.define(given)

    def define(self, given: type[nnx.Module]) -> None:
        """Take this class as the router, with `Router`'s defaults if it is a plain module."""
        self.origin = _origin(given)
        own_module = {"__module__": given.__module__}
        self.router: type[Router] = (
            given if issubclass(given, Router) else type(given.__name__, (given, Router), own_module)
        )
        self.router.name = self.__name__


def _origin(given: type) -> tuple[str, str]:
    """Return module and qualified name of a class.

    Both identify a class that is defined again.
    """
    return given.__module__, given.__qualname__


def register(name: str) -> Callable[[R], R]:
    """Return a class decorator that registers a router under a name.

    A plain `nnx.Module` is a router as well: attributes that it does not define come from `Router`. A class that is
    defined again, in the same module under the same qualified name, replaces its earlier definition, so that a
    notebook cell can be run again.

    Raises:
        BadInput: another class has the name, or the name is not lower-case words joined by dashes.
    """
    if not name.replace("-", "").isalnum() or name != name.lower():
        raise BadInput(f"router name '{name}': use lower-case words joined by dashes, such as 'my-router'.")

    def add(router: R) -> R:
        if name not in _REGISTRY:
            _REGISTRY.register(Entry(name, router))
            return router
        entry: Entry = _REGISTRY.get(name)
        if entry.origin != _origin(router):
            owner = ".".join(entry.origin)
            raise BadInput(f"router name '{name}' is taken by {owner}: choose another.")
        entry.define(router)
        return router

    return add


def unregister(package: str) -> None:
    """Remove the routers whose classes a package or module defines."""
    global _REGISTRY
    # The registry of fvcore cannot remove a name, so that a new registry takes the other names.
    rest = Registry(ENTRY_POINTS)
    for _, entry in _REGISTRY:
        if _root(entry.router.__module__) != package:
            rest.register(entry)
    _REGISTRY = rest


def registered() -> list[str]:
    """Return the names registered so far, in the order of registration."""
    return [name for name, _ in _REGISTRY]


def names() -> list[str]:
    """Return every name, including those of installed packages, in the order of registration."""
    broken_packages()
    return registered()


def find(name: str) -> type[Router]:
    """Return the class registered under a name.

    Other packages are imported only for a name that moebench does not have.

    Raises:
        BadInput: no router has that name.
    """
    if name not in _REGISTRY:
        broken = broken_packages()
        if name not in _REGISTRY:
            mistake = unknown("router", name, registered(), key="router")
            raise BadInput("; ".join((str(mistake).rstrip("."), *broken)), key="router") if broken else mistake
    entry: Entry = _REGISTRY.get(name)
    return entry.router


@cache
def broken_packages() -> tuple[str, ...]:
    """Return a sentence for each installed package whose routers cannot be imported.

    Routers of installed packages are imported once in a process. A package that registers no router counts as broken.
    """
    broken = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            broken.append(f"{_package(entry)} cannot be imported: {type(error).__name__}: {error}")
            continue
        if not any(_root(known.router.__module__) == _root(entry.module) for _, known in _REGISTRY):
            broken.append(f"{_package(entry)} registers no router")
    return tuple(broken)


def _package(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist else "?"
    return f"the entry point '{entry.name} = {entry.value}' of the package '{package}'"


def _root(module: str) -> str:
    return module.partition(".")[0]


def source_file(name: str) -> Path | None:
    """Return the file of a router that moebench does not ship, or None."""
    router = find(name)
    if _root(router.__module__) == _root(__name__):
        return None
    return Path(inspect.getsourcefile(router) or "?")


def described(name: str) -> str:
    """Return a router's name for messages, with its file if moebench does not ship it."""
    file = source_file(name)
    return f"router '{name}' of {file}" if file else f"router '{name}'"


def summary(name: str) -> str:
    """Return the first line of the router's docstring."""
    return (inspect.getdoc(find(name)) or "").partition("\n")[0]


def options(name: str) -> dict[str, Any]:
    """Return the router's options with their defaults; `inspect.Parameter.empty` marks a required one."""
    router = find(name)
    declared = router.__init__ is Router.__init__
    parameters = inspect.signature(router if declared else router.__init__).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.name not in _GIVEN_BY_THE_LAYER and p.kind is not inspect.Parameter.VAR_KEYWORD
    }


def check_options(name: str, given: dict[str, Any], others: Collection[str] = ()) -> None:
    """Raise if an option is unknown to the router or a required one is missing.

    Args:
        name: registered name of the router.
        given: options with their values.
        others: keys beside the router's options, to suggest for a misspelt one.

    Raises:
        BadInput: an option is unknown (the message gives the nearest known one), or a required option is missing.
    """
    known = options(name)
    for key in given:
        if key not in known:
            meant = [*known, *get_close_matches(key, others, n=1)]
            if not meant:
                raise BadInput(f"router '{name}' has no options, got '{key}'.", key=key)
            raise unknown("option", key, meant, of=f"router '{name}'", key=key)
    for key, default in known.items():
        if default is inspect.Parameter.empty and key not in given:
            raise BadInput(f"router '{name}' needs the option '{key}', such as {name}[{key}=8].", key="router")


def create(name: str, *, dim: int, rngs: nnx.Rngs, **given: Any) -> Router:
    """Build a router.

    Args:
        name: registered name of the router.
        dim: width of the tokens.
        rngs: keys of the parameters.
        **given: options of the router.

    Raises:
        BadInput: the router or an option is unknown, or the router does not accept a value.
    """
    check_options(name, given)
    return find(name)(dim=dim, rngs=rngs, **given)
