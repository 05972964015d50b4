"""The register of data sets: a name, and a function that loads the images when they are needed."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from fvcore.common.registry import Registry

from moebench.data.dataset import Dataset
from moebench.errors import unknown

L = TypeVar("L", bound=Callable[[], Dataset])

_REGISTRY = Registry("moebench.data")


def register(name: str) -> Callable[[L], L]:
    """Decorator that makes a loader known as `name`; the first line of its docstring describes the data."""

    def add(loader: L) -> L:
        _REGISTRY._do_register(name, loader)
        return loader

    return add


def names() -> list[str]:
    """Every registered name."""
    return sorted(name for name, _ in _REGISTRY)


def _loader(name: str) -> Callable[[], Dataset]:
    if name not in _REGISTRY:
        raise unknown("data set", name, names(), key="data")
    found: Callable[[], Dataset] = _REGISTRY.get(name)
    return found


def load(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        BadInput: no data set has that name.
    """
    return _loader(name)()


def describe(name: str) -> str:
    """The data set in one line."""
    return (inspect.getdoc(_loader(name)) or "").partition("\n")[0]
