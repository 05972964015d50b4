"""What a number was measured on: devices, processor, versions, the machine's load."""

import os
import platform
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import moebench


def environment() -> dict[str, Any]:
    """The environment columns of the result table. Starts JAX's backend."""
    devices = jax.local_devices()
    return {
        "device_kind": devices[0].device_kind,
        "device_count": 1,
        "platform": devices[0].platform,
        "hostname": socket.gethostname(),
        "cpu": cpu_model(),
        "cpu_count": usable_cpus(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python_version": platform.python_version(),
        "jax_version": jax.__version__,
        "jaxlib_version": version("jaxlib"),
        "flax_version": version("flax"),
        "moebench_version": moebench.__version__,
        "git_commit": git_commit(),
    }


def usable_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """The processor's own name for itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """Commit of the checkout that this package runs from, with '+' if tracked files differ; None outside one."""
    root = Path(moebench.__file__).parent.parent
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
