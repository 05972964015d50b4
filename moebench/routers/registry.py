"""The register of routing strategies: names with dashes on the outside, fvcore's Registry inside."""

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
"""Group of the entry points by which an installed package brings routers; each names a module that registers them."""

_REGISTRY = Registry("moebench.routers")
_GIVEN_BY_THE_LAYER = ("self", "dim", "rngs")


def register(name: str) -> Callable[[R], R]:
    """Class decorator that makes a router known as `name`.

    A plain nnx.Module will do: what it does not define is taken from `Router`.

    Raises:
        BadInput: the name is taken, or is not lower-case words joined by dashes.
    """
    if not name.replace("-", "").isalnum() or name != name.lower():
        raise BadInput(f"router name '{name}': use lower-case words joined by dashes, such as 'my-router'.")
    if name in _REGISTRY:
        raise BadInput(f"router name '{name}' is taken: choose another.")

    def add(router: R) -> R:
        own_module = {"__module__": router.__module__}
        known: type[Router] = (
            router if issubclass(router, Router) else type(router.__name__, (router, Router), own_module)
        )
        known.name = name
        _REGISTRY._do_register(name, known)
        return router

    return add


def unregister(package: str) -> None:
    """Remove the routers whose classes a package or module defines."""
    for name in [name for name, cls in _REGISTRY if _root(cls.__module__) == package]:
        del _REGISTRY._obj_map[name]


def registered() -> list[str]:
    """The names that are registered now, in the order of registration."""
    return [name for name, _ in _REGISTRY]


def names() -> list[str]:
    """Every name, those of installed packages included, in the order of registration."""
    broken_packages()
    return registered()


def find(name: str) -> type[Router]:
    """The class registered as `name`; other packages are imported only for a name that moebench does not have.

    Raises:
        BadInput: no router has that name.
    """
    if name not in _REGISTRY:
        broken = broken_packages()
        if name not in _REGISTRY:
            mistake = unknown("router", name, registered(), key="router")
            raise BadInput("; ".join((str(mistake).rstrip("."), *broken)), key="router") if broken else mistake
    found: type[Router] = _REGISTRY.get(name)
    return found


@cache
def broken_packages() -> tuple[str, ...]:
    """Import the routers of installed packages, once in a process; of those that fail, a sentence each."""
    broken = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            broken.append(f"{_package(entry)} cannot be imported: {type(error).__name__}: {error}")
            continue
        if not any(_root(cls.__module__) == _root(entry.module) for _, cls in _REGISTRY):
            broken.append(f"{_package(entry)} registers no router")
    return tuple(broken)


def _package(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist else "?"
    return f"the entry point '{entry.name} = {entry.value}' of the package '{package}'"


def _root(module: str) -> str:
    return module.partition(".")[0]


def source_file(name: str) -> Path | None:
    """The file of a router that moebench does not ship; None for its own."""
    router = find(name)
    if _root(router.__module__) == _root(__name__):
        return None
    return Path(inspect.getsourcefile(router) or "?")


def described(name: str) -> str:
    """A router as messages name it: with its file where moebench does not ship it."""
    file = source_file(name)
    return f"router '{name}' of {file}" if file else f"router '{name}'"


def summary(name: str) -> str:
    """The first line of the router's docstring."""
    return (inspect.getdoc(find(name)) or "").partition("\n")[0]


def options(name: str) -> dict[str, Any]:
    """The router's options with their defaults; `inspect.Parameter.empty` marks one that must be given."""
    router = find(name)
    declared = router.__init__ is Router.__init__
    parameters = inspect.signature(router if declared else router.__init__).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.name not in _GIVEN_BY_THE_LAYER and p.kind is not inspect.Parameter.VAR_KEYWORD
    }


def check_options(name: str, given: dict[str, Any], others: Collection[str] = ()) -> None:
    """Refuse options that the router does not have, and the lack of one that it needs.

    Args:
        name: the router.
        given: options with their values.
        others: keys beside the router's options, one of which may have been meant.

    Raises:
        BadInput: names the router, the option and the nearest known one.
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
    """Build the router `name` for tokens of width `dim`.

    Raises:
        BadInput: unknown router or option, or a value that the router refuses.
    """
    check_options(name, given)
    return find(name)(dim=dim, rngs=rngs, **given)
