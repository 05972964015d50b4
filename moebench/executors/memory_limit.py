"""How much memory a machine has for cells.

Resident memory is watched, not limited by `setrlimit`: what can be limited there is address space, of which a device's
driver reserves hundreds of gigabytes that it never touches.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from moebench.spec.limits import Limits

_SHARE = 0.9
"""Of the machine's memory, for all cells together; the rest is the system's and the driver's."""
_GIB = 1 << 30


def limit_bytes(limits: Limits, side_by_side: int = 1) -> int:
    """What a cell may take: its limit, or its part of the machine's memory where it has none."""
    if limits.memory_limit_gib is not None:
        return int(limits.memory_limit_gib * _GIB)
    return int(_SHARE * usable_bytes() / side_by_side)


def usable_bytes() -> int:
    """The machine's memory, or what this process may use of it in its container or its Slurm job."""
    limits = [int(psutil.virtual_memory().total)]
    with contextlib.suppress(OSError):  # not on Linux
        limits += cgroup_limits(Path("/proc/self/cgroup").read_text(encoding="utf-8"), Path("/sys/fs/cgroup"))
    return min(limits)


def cgroup_limits(membership: str, root: Path) -> Iterator[int]:
    """The memory limits, in bytes, of a process's control groups and of those around them.

    `membership` is the text of its /proc/PID/cgroup, in version 1 or 2 of control groups; `root`, where they lie.
    """
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
                yield int((folder / name).read_text(encoding="ascii"))
