"""Every process that a task has started, in whatever session.

Processes are found by parentage, counted and killed. A process belongs to its parent's task, determined when the
process is first found; the parent's end changes nothing. On Linux the server adopts orphans. A process whose parents
ended before it was found becomes a child of the server: it belongs to the task whose session it is in, or else to the
only task that runs.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 20
"""Rounds of killing: a process may start another one just before it is killed."""


class ProcessTree:
    """The processes of the tasks that this process has forked."""

    def __init__(self) -> None:
        self._own = os.getpid()
        self._tasks: dict[int, dict[int, psutil.Process]] = {}
        self._others: set[int] = set()
        """Processes that belong to no task, which need no second check."""
        self._strays: dict[int, psutil.Process] = {}
        _adopt_orphans()

    def add(self, task: int) -> None:
        """Add a task by the number of its forked process, which leads a session."""
        self._tasks[task] = {}
        with contextlib.suppress(psutil.Error):
            self._tasks[task][task] = psutil.Process(task)

    def look(self) -> None:
        """Find the processes that were started since the last call."""
        running = set(psutil.pids())
        self._others &= running
        for found in (*self._tasks.values(), self._strays):
            for pid in found.keys() - running:
                del found[pid]
        known = self._others.union({self._own}, self._strays, *self._tasks.values())
        new: dict[int, tuple[psutil.Process, int]] = {}
        for pid in running - known:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                new[pid] = (process, process.ppid())
        while new:
            # Parents first. No process is its own ancestor, so the loop ends.
            pid = next(iter(new))
            while new[pid][1] in new and new[pid][1] != pid:
                pid = new[pid][1]
            self._assign(pid, *new.pop(pid))

    def memory(self, task: int) -> int:
        """Return the resident memory of a task's processes in bytes.

        Pages that the processes share count once for each process. If the system reports them, pages of mapped files
        are left out: images are in such pages, one copy for all cells, and the system takes the pages back whenever it
        needs them.
        """
        return sum(map(_resident, self._tasks[task].values()))

    def kill(self, task: int) -> None:
        """Kill every process of a task, whatever session it is in."""
        for _ in range(_ROUNDS):
            self.look()
            killed = [_kill(process) for process in self._tasks[task].values()]  # all of them, not until the first
            if not any(killed):
                break

    def remove(self, task: int) -> None:
        """Remove a task whose processes have all been killed.

        Stray processes go with the last task.
        """
        del self._tasks[task]
        if not self._tasks:
            for stray in self._strays.values():
                _kill(stray)

    def _assign(self, pid: int, process: psutil.Process, parent: int) -> None:
        for found in self._tasks.values():
            if parent in found or pid in found:
                found[pid] = process
                return
        if parent != self._own:
            self._others.add(pid)
        elif (session := _session(pid)) in self._tasks:
            self._tasks[session][pid] = process
        elif len(self._tasks) == 1:
            next(iter(self._tasks.values()))[pid] = process
        else:
            self._strays[pid] = process


def _adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends, on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _resident(process: psutil.Process) -> int:
    try:
        memory = process.memory_info()
    except psutil.Error:  # the process has ended, or its data may not be read
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


def _kill(process: psutil.Process) -> bool:
    """Kill a process and return whether it was killed.

    A process is not killed if its number now belongs to another process.
    """
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.kill()
    except psutil.Error:
        return False
    return True


def reaped() -> Iterator[tuple[int, int]]:
    """Yield the number and the status of each child that has ended, adopted ones included."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, status
