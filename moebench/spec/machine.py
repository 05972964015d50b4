"""Facts about a machine before JAX starts: host, processor, versions, commit."""

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from moebench.version import __version__

_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow", "scikit-learn")


def machine() -> dict[str, Any]:
    """Return the environment columns of the result table that need no device.

    Unknown values are None.
    """
    return {
        "hostname": socket.gethostname(),
        "cpu": cpu_model(),
        "cpu_count": usable_cpus(),
        "load_average": _load_average(),
        "python_version": platform.python_version(),
        **{f"{name.replace('-', '_')}_version": _version(name) for name in _LIBRARIES},
        "moebench_version": __version__,
        "git_commit": git_commit(),
    }


def usable_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Return the processor's name for itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """Return the commit of this package's checkout, with '+' if tracked files differ.

    The result is None outside of a checkout, and if git is missing or refuses to read the checkout.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no", "--", "moebench") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on this system, or hidden in this container
        return None
