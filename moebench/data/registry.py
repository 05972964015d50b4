"""The register of data sets: a name, and a source that has the images when they are needed."""

from collections.abc import Callable
from typing import TypeVar

from fvcore.common.registry import Registry

from moebench.data.dataset import Dataset
from moebench.data.fractals.source import Fractals
from moebench.data.source import Loader, Say, Source
from moebench.data.user.source import Own
from moebench.errors import unknown
from moebench.spec.cell_spec import is_place

L = TypeVar("L", bound=Callable[[], Dataset])

_REGISTRY = Registry("moebench.data")


def register(name: str) -> Callable[[L], L]:
    """Decorator that makes a loader known as `name`; the first line of its docstring describes the data."""

    def add(loader: L) -> L:
        _REGISTRY.register(Loader(name, loader))
        return loader

    return add


def names() -> list[str]:
    """Every registered name, and some of those that stand for any number of classes."""
    return [*sorted(name for name, _ in _REGISTRY), *(Fractals(classes).name for classes in (10, 100, 1000, 10_000))]


def find(name: str) -> Source:
    """The source of that name.

    Raises:
        BadInput: no data set has that name.
    """
    if is_place(name):
        return Own(name)
    fractals = Fractals.named(name)
    if fractals is not None:
        return fractals
    if name not in _REGISTRY:
        raise unknown("data set", name, names(), key="data")
    found: Source = _REGISTRY.get(name)
    return found


def load(name: str, image_size: int | None = None, say: Say = print) -> Dataset:
    """The data set of that name, at its own image size or at another that it can be had at.

    Raises:
        BadInput: no data set has that name, or not at that size.
    """
    return find(name).load(image_size, say)


def describe(name: str) -> str:
    """The data set in one line."""
    return find(name).describe()
