"""Undo what a test registers, by fvcore's public interface alone."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import copy

from fvcore.common.registry import Registry

from moebench.routers import plugins, registry


@contextmanager
def undone() -> Iterator[None]:
    """Leave the registered routers and the loaded plugins as they were before."""
    before = registry._REGISTRY
    forget(())
    yield
    registry._REGISTRY = before
    plugins._load.cache_clear()


def forget(names: Collection[str]) -> None:
    """Take routers out of the register."""
    rest = Registry("moebench.routers")
    for name, entry in registry._REGISTRY:
        if name not in names:
            rest.register(copy(entry))  # an entry changes if its class is defined again
    registry._REGISTRY = rest
