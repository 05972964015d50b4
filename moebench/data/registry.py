"""Register data sets under names, and load them by name."""

from collections.abc import Callable
from typing import TypeVar

from fvcore.common.registry import Registry

from moebench.data.dataset import Dataset
from moebench.data.fractals.source import Fractals
from moebench.data.scenes.source import USUAL, Scenes
from moebench.data.source import Loader, Say, Source
from moebench.data.tasks import source as tasks
from moebench.data.user.source import Own
from moebench.errors import unknown
from moebench.spec.cell_spec import is_place

L = TypeVar("L", bound=Callable[[], Dataset])

_REGISTRY = Registry("moebench.data")


def register(name: str) -> Callable[[L], L]:
    """Return a decorator that registers a loader as `name`.

    The first line of the loader's docstring describes the data.
    """

    def add(loader: L) -> L:
        _REGISTRY.register(Loader(name, loader))
        return loader

    return add


def names() -> list[str]:
    """Return every registered name, and names of drawn data sets with some usual numbers."""
    fractals = [Fractals(classes).name for classes in (10, 100, 1000, 10_000)]
    return [*sorted(name for name, _ in _REGISTRY), *fractals, Scenes(USUAL).name, *tasks.names()]


def find(name: str) -> Source:
    """Return the source of a name or path.

    Raises:
        BadInput: no data set has that name.
    """
    if is_place(name):
        return Own(name)
    drawn = Fractals.named(name) or Scenes.named(name) or tasks.Task.named(name)
    if drawn is not None:
        return drawn
    if name not in _REGISTRY:
        raise unknown("data set", name, names(), key="data")
    found: Source = _REGISTRY.get(name)
    return found


def load(name: str, image_size: int | None = None, say: Say = print) -> Dataset:
    """Load a data set.

    Args:
        name: a registered name, a path, or splits as `train=PATH,test=PATH`.
        image_size: side of the images in pixels; None takes the data set's own size.
        say: receives progress and warnings, line by line.

    Raises:
        BadInput: no data set has that name, its images cannot be read, or that size cannot be made.
    """
    return find(name).load(image_size, say)


def describe(name: str) -> str:
    """Describe a data set in one line."""
    return find(name).describe()
