"""Share compiled programs of dense twins between cells, by JAX's persistent cache.

The cache is a private folder of the user. The programs of the cell itself are compiled without the cache, so that their
compile time is measured. If JAX_COMPILATION_CACHE_DIR names a folder, all programs use that folder instead, and the
rows record this.
"""

import hashlib
import os
import platform
import shutil
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from moebench.data.cache import cache_folder

_HIT = "/jax/compilation_cache/cache_hits"
_DAMAGED = "Error reading persistent compilation cache entry"
_SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": 0,
    # Caches inside of XLA would outlive the block and serve the cell's own programs too.
    "jax_persistent_cache_enable_xla_caches": "none",
}


@dataclass
class CacheUse:
    """Number of programs that came from a cache since the object was made."""

    _before: int = field(default_factory=lambda: _hits)
    _shared: int = 0

    def columns(self) -> dict[str, bool]:
        """Return whether programs outside and inside the blocks of `sharing` came from a cache."""
        own = _hits - self._before - self._shared
        return {"compile_cached": own > 0, "dense_compile_cached": self._shared > 0}

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Read the programs that a block compiles from the user's cache, and write new ones."""
        before = _hits
        try:
            with _persistent_cache():
                yield
        finally:
            self._shared += _hits - before


_hits = 0


def _count(event: str, **_: Any) -> None:
    global _hits
    _hits += event == _HIT


jax.monitoring.register_event_listener(_count)


@contextmanager
def _persistent_cache() -> Iterator[None]:
    """Use the folder of shared programs in a block.

    The folder is not used if the user names another folder, or if the folder is unsafe.
    """
    folder = None if jax.config.values["jax_compilation_cache_dir"] else program_folder()
    if folder is None:
        yield
        return
    earlier = {name: jax.config.values[name] for name in _SETTINGS}
    for name, value in _SETTINGS.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX decides once whether there is a cache
    compilation_cache.set_cache_dir(str(folder))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
        for name, value in earlier.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
    if any(_DAMAGED in str(warning.message) for warning in caught):
        # JAX compiles in this case, but never writes over a damaged program.
        shutil.rmtree(folder, ignore_errors=True)


def program_folder() -> Path | None:
    """Return the folder of shared programs, which is made if it is missing.

    Cached programs are executed, so that the folder must be the user's alone, even if users share a cache. Programs for
    other processors may not run on this one, so that the folder's name includes the features of the processor.

    Returns:
        The folder; None if it cannot be made, or if another user could write into it.
    """
    folder = cache_folder() / f"programs-{os.getuid()}-{_processor()}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return folder if stat.S_ISDIR(found.st_mode) and private else None


def _processor() -> str:
    """Return a digest of the features of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(f"{platform.machine()} {platform.processor()} {features}".encode()).hexdigest()[:12]
