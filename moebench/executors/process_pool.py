"""The driver's end of the fork server: start programs, and report their ends.

Each program runs in a process of its own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from moebench.errors import BadInput
from moebench.executors.base import ExecutorError
from moebench.spec.jax_trouble import jax_trouble

_CLOSING_S = 5.0
_ALLOCATION = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.arena_max=1:glibc.malloc.trim_threshold={}"
"""Makes a program keep freed memory for its next step, in large pages; other C libraries ignore the variable.

By default glibc returns large arrays to the system when they are freed, and the system clears every page of the next
array: a third of the time of a step whose gradients are large. A user's own settings stay.
"""


@dataclass(frozen=True)
class Task:
    """A program to run: module, arguments, log, limits, environment and place.

    The module's `main(argv)` is called, and the file `log` receives its output.
    """

    name: str
    program: str
    argv: Sequence[str]
    log: Path
    time_limit_s: float
    memory_limit_bytes: int
    env: Mapping[str, str] = field(default_factory=dict)
    place: int | None = None
    """Place of a task that takes turns with tasks beside it; None if the task takes no turns."""
    places: int = 1
    """Number of tasks that take turns."""


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended: exit code, or the error that prevented the start.

    An exit code is negative for a signal.
    """

    name: str
    code: int
    seconds: float
    stopped: str | None = None
    """The limit that stopped the task: time or memory."""
    error: str | None = None


class Workers:
    """Processes for tasks, each forked from one server that has imported `preload`.

    The server starts at once and imports in the background; the first event waits for the import. If the server is
    killed, its tasks are reported as killed, and the next task starts another server.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        if not hasattr(os, "fork"):
            raise BadInput("the local executor needs Linux or macOS; on Windows run moebench inside WSL.")
        self._preload = list(preload)
        self._running: dict[str, int | None] = {}
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._ready = False
        self._server = self._launch()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self, task: Task) -> None:
        """Start the task; its end will be among the `ends`."""
        request = {
            "task": task.name,
            "program": task.program,
            "argv": list(task.argv),
            "log": str(task.log),
            "limit_s": task.time_limit_s,
            "limit_bytes": task.memory_limit_bytes,
            "env": dict(task.env),
            "place": task.place,
            "places": task.places,
        }
        if self._server.poll() is not None and not self._running and self._ready:
            self._close_pipe(self._server.stdin)
            self._close_pipe(self._server.stdout)
            self._server = self._launch()
        self._running[task.name] = None
        assert self._server.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the end of the server is read from the other pipe
            self._server.stdin.write(json.dumps(request).encode() + b"\n")
            self._server.stdin.flush()

    def ends(self) -> Iterator[TaskEnd]:
        """Yield the end of each running task as it comes, until no task is running."""
        while self._running:
            assert self._server.stdout is not None
            line = self._server.stdout.readline()
            if not line:
                yield from self._server_ended()
                continue
            self._ready = True
            event: dict[str, Any] = json.loads(line)
            name = event["task"]
            if event["event"] == "started":
                self._running[name] = event["pid"]
                continue
            del self._running[name]
            yield TaskEnd(
                name,
                event.get("code", 1),
                event.get("seconds", 0.0),
                event.get("stopped"),
                event.get("error"),
            )

    def close(self) -> None:
        """Kill every running task and end the server; a second call does nothing."""
        self._close_pipe(self._server.stdin)
        try:
            self._server.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:  # still importing: the server reads its input only after the import
            self._server.kill()
            self._server.wait()
        self._kill_running()
        self._running.clear()  # by a second call the numbers of these processes may belong to other processes
        self._close_pipe(self._server.stdout)
        self._stderr.close()

    def _launch(self) -> "subprocess.Popen[bytes]":
        environment = {
            "GLIBC_TUNABLES": _ALLOCATION.format(2**62),
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        }
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "moebench.executors.forkserver", *self._preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal reaches the driver alone
        )

    def _server_ended(self) -> Iterator[TaskEnd]:
        code = self._server.wait()
        if not self._ready:
            self._stderr.seek(0)
            printed = self._stderr.read().decode(errors="replace").strip().splitlines()
            if sentence := jax_trouble("\n".join(printed)):
                raise BadInput(sentence)
            last = printed[-1] if printed else f"exit code {code}"
            raise ExecutorError(f"the process that starts cells failed during its imports: {last}")
        self._kill_running()
        names, self._running = list(self._running), {}
        for name in names:
            yield TaskEnd(name, -signal.SIGKILL, 0.0, error="the process that starts cells was killed")

    @staticmethod
    def _close_pipe(pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # a request that the server was killed before reading
                pipe.close()

    def _kill_running(self) -> None:
        for pid in self._running.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if pid is not None:
                    os.killpg(pid, signal.SIGKILL)
