"""What tells a cell from others: hashes of what was asked for, and of the code that answers it."""

import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path

from flax import nnx

import moebench
from moebench import routers

SHARED_CODE = ("models", "data", "training", "measuring", "evaluation", "cells")
VERSIONS = ("jax_version", "jaxlib_version", "flax_version")


def code(router: str) -> list[str]:
    """Text of all code that decides what a cell with this router gives."""
    package = Path(moebench.__file__).parent
    shared = [package / name for name in SHARED_CODE]
    files = [file for path in shared for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    classes: list[type] = [
        cls for cls in routers.find(router).__mro__ if issubclass(cls, nnx.Module) and cls is not nnx.Module
    ]
    used = sorted({inspect.getsourcefile(cls) or "" for cls in [*classes, routers.Routing]} - {""})
    return [file.read_text(encoding="utf-8") for file in [*files, *map(Path, used)]]


def digest(parts: Iterable[str]) -> str:
    """Sixteen letters that tell these texts from others."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode())
        found.update(b"\0")
    return found.hexdigest()[:16]
