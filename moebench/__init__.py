"""moebench: which mixture-of-experts routing strategy a vision model should use, with evidence."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moebench import plot, routers
    from moebench.inside.load import load_routing
    from moebench.results import load
    from moebench.version import __version__

__all__ = ["__version__", "load", "load_routing", "plot", "routers"]


def __getattr__(name: str) -> Any:
    # Imported on first use: pandas and JAX are heavy, and the command line's help needs neither.
    if name == "load":
        return importlib.import_module("moebench.results").load
    if name == "load_routing":
        return importlib.import_module("moebench.inside.load").load_routing
    if name == "__version__":
        return importlib.import_module("moebench.version").__version__
    if name in ("plot", "routers"):
        return importlib.import_module(f"moebench.{name}")
    raise AttributeError(f"module 'moebench' has no attribute '{name}'")
