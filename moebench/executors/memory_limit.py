"""How much memory a machine has for cells.

Resident memory is measured and compared with the limit. `setrlimit` would limit address space instead, of which a
device's driver reserves hundreds of gigabytes that it never touches.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from moebench.spec.limits import Limits

_SHARE = 0.9
"""Share of the machine's memory for all cells together; the rest is for the system and the driver."""
_GIB = 1 << 30


def limit_bytes(limits: Limits, share: float = 1.0) -> int:
    """Return a cell's memory limit in bytes.

    Args:
        limits: the limits of the suite or the user.
        share: the cell's share of the machine's memory for cells, if the limits set none.
    """
    if limits.memory_limit_gib is not None:
        return int(limits.memory_limit_gib * _GIB)
    return int(_SHARE * usable_bytes() * share)


def usable_bytes() -> int:
    """Return the bytes that this process may use.

    A container or a Slurm job may have a limit below the machine's memory.
    """
    limits = [int(psutil.virtual_memory().total)]
    with contextlib.suppress(OSError):  # not on Linux
        limits += cgroup_limits(Path("/proc/self/cgroup").read_text(encoding="utf-8"), Path("/sys/fs/cgroup"))
    return min(limits)


def cgroup_limits(membership: str, root: Path) -> Iterator[int]:
    """Yield the memory limits, in bytes, of a process's control groups and enclosing groups.

    Args:
        membership: text of the process's /proc/PID/cgroup, in version 1 or 2 of control groups.
        root: folder of the control groups.
    """
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # the file is missing, or contains the word "max"
                yield int((folder / name).read_text(encoding="ascii"))
