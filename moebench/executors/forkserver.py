"""The server that forks a process for each cell.

The server has imported jax, and started no backend. Python's own forkserver (multiprocessing) would not do: each child
would import the driver's main script again, would have no process group to kill, and would survive a killed driver.

Requests come on the standard input and events go to the standard output, one JSON object a line. When the driver ends,
for whatever reason, the input closes; then the server kills every child and ends.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any, NoReturn

from moebench.executors.log_file import CappedLog
from moebench.executors.process_tree import ProcessTree, reaped
from moebench.executors.turn_locks import TurnLocks
from moebench.spec.side_by_side import TURNS_VARIABLE, Waiting, adopt_waiting

_READ_BYTES = 1 << 16
_LOOK_AT_MEMORY_S = 0.2
"""Seconds between two checks of memory, each of which takes 0.2 ms: too rare to disturb a timing.

A cell may fill a gigabyte between two checks.
"""


@dataclass
class _Child:
    task: str
    pid: int
    started: float
    limit_s: float
    limit_bytes: int
    output: int
    log: CappedLog
    waiting: Waiting
    place: int | None
    stopped: str | None = None

    def deadline(self, now: float) -> float:
        """Return when the child reaches its time limit; its waiting for other children does not count.

        Args:
            now: value of `time.monotonic`.
        """
        return self.started + self.limit_s + self.waiting.seconds(now)


class _Server:
    def __init__(self, requests: int, events: int) -> None:
        self.requests, self.events = requests, events
        self.children: dict[int, _Child] = {}
        self.tree = ProcessTree()
        self.locks: TurnLocks | None = None
        # The server never writes to this pipe: the pipe closes when the server ends.
        self.life, self.own_life = os.pipe()
        self.waiting = b""
        self.next_look = 0.0
        self.selector = selectors.DefaultSelector()
        self.selector.register(requests, selectors.EVENT_READ)
        self.wakeup, sender = socket.socketpair()
        self.sender = sender
        for end in (self.wakeup, sender):
            end.setblocking(False)
        self.selector.register(self.wakeup, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def send(self, **event: Any) -> None:
        os.write(self.events, json.dumps(event).encode() + b"\n")

    def serve(self) -> None:
        """Answer requests until the driver is gone, then kill every child that still runs."""
        try:
            while True:
                ready = {key.fd for key, _ in self.selector.select(self._patience())}
                if self.wakeup.fileno() in ready:
                    self.wakeup.recv(_READ_BYTES)
                if self.requests in ready and not self._read_requests():
                    return
                outputs = {child.output: child for child in self.children.values()}
                for fd in ready & outputs.keys():
                    self._read_output(outputs[fd])
                self._stop_at_limits()
                self._reap()
        finally:
            for child in self.children.values():
                _kill_session(child.pid)
                self.tree.kill(child.pid)

    def _patience(self) -> float | None:
        """Return the seconds to the next deadline or check of memory; None without children."""
        now = time.monotonic()
        deadlines = [child.deadline(now) for child in self.children.values() if not child.stopped]
        return min(_LOOK_AT_MEMORY_S, max(0.0, min(deadlines) - now)) if deadlines else None

    def _read_requests(self) -> bool:
        received = os.read(self.requests, _READ_BYTES)
        *lines, self.waiting = (self.waiting + received).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                self._start(request)
            except OSError as error:
                self.send(event="ended", task=request["task"], error=str(error))
        return bool(received)

    def _start(self, request: dict[str, Any]) -> None:
        place = request["place"]
        if place is not None:
            self._open_locks(request["places"])
        log = CappedLog(request["log"])
        output, child_output = os.pipe()
        waiting = Waiting()
        pid = os.fork()
        if pid == 0:
            _become_child(self, request, child_output, waiting)
        os.close(child_output)
        os.set_blocking(output, False)
        limits = (request["limit_s"], request["limit_bytes"])
        self.children[pid] = _Child(request["task"], pid, time.monotonic(), *limits, output, log, waiting, place)
        self.tree.add(pid)
        self.selector.register(output, selectors.EVENT_READ)
        self.send(event="started", task=request["task"], pid=pid)

    def _open_locks(self, places: int) -> None:
        """Open locks for that many places, if there are fewer: no child has locks of another number of places."""
        if self.locks is not None and len(self.locks.pairs) >= places:
            return
        if self.locks is not None:
            self.locks.close()
        self.locks = TurnLocks(places)

    def _read_output(self, child: _Child) -> bool:
        """Append what the child printed to its log; return False when its output has ended."""
        try:
            printed = os.read(child.output, _READ_BYTES)
        except BlockingIOError:
            return False
        if printed:
            child.log.write(printed)
        elif child.output in self.selector.get_map():
            self.selector.unregister(child.output)
        return bool(printed)

    def _stop_at_limits(self) -> None:
        now = time.monotonic()
        look = now >= self.next_look
        if look:
            self.next_look = now + _LOOK_AT_MEMORY_S
            self.tree.look()
        for child in self.children.values():
            if child.stopped:
                continue
            if child.deadline(now) <= now:
                child.stopped = "time"
            elif look and self.tree.memory(child.pid) > child.limit_bytes:
                child.stopped = "memory"
            if child.stopped:
                _kill_session(child.pid)
                self.tree.kill(child.pid)

    def _reap(self) -> None:
        for pid, status in reaped():
            child = self.children.get(pid)
            if child is None:  # an orphan that a cell started and this process has adopted
                continue
            # No process that the cell started may outlive the cell, whatever its session.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self.tree.kill(pid)
            self.tree.remove(pid)
            while self._read_output(child):
                pass
            if child.output in self.selector.get_map():
                self.selector.unregister(child.output)
            os.close(child.output)
            child.log.close()
            child.waiting.close()
            if child.place is not None and self.locks is not None:
                self.locks.release(child.place)
            del self.children[child.pid]
            code = os.waitstatus_to_exitcode(status)
            seconds = time.monotonic() - child.started
            self.send(event="ended", task=child.task, code=code, stopped=child.stopped, seconds=seconds)


def _become_child(server: _Server, request: dict[str, Any], output: int, waiting: Waiting) -> NoReturn:
    """Leave the server's group and files behind in the forked process, and run the program."""
    code = 1
    try:
        os.setsid()
        _end_with_server(server)
        _offer_to_the_kernel()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(output, 1)
        os.dup2(output, 2)
        server.selector.close()
        for child in server.children.values():
            os.close(child.output)
        for fd in (server.life, server.requests, server.events, server.wakeup.detach(), server.sender.detach(), output):
            os.close(fd)
        os.environ.update(request["env"])
        if request["place"] is not None and server.locks is not None:
            os.environ[TURNS_VARIABLE] = ",".join(map(str, server.locks.pairs[request["place"]]))
        adopt_waiting(waiting)
        sys.argv = [request["program"], *request["argv"]]
        code = importlib.import_module(request["program"]).main(request["argv"])
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _end_with_server(server: _Server) -> None:
    """Make this process and its descendants end if the server is killed.

    A killed server cannot kill its own processes. A shell in the group waits for the end of the server. The system's
    own signal would reach only this process, and not every system has one.
    """
    os.close(server.own_life)
    keeper = ["sh", "-c", "read -r _; kill -KILL 0"]
    os.posix_spawn("/bin/sh", keeper, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, server.life, 0)])


def _offer_to_the_kernel() -> None:
    """Make Linux kill this process and not the driver when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _kill_session(pid: int) -> None:
    """Kill a child that has not been waited for, and its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # the child has no group of its own yet
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Import the programs named as arguments, then serve. Their output goes to the standard error."""
    requests, events = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    server = _Server(requests, events)
    # What is imported stays: searches for garbage take a fifth of the imports' time, and in a child copy its pages.
    gc.disable()
    for program in sys.argv[1:]:
        importlib.import_module(program)
    gc.freeze()
    gc.enable()
    server.serve()


if __name__ == "__main__":
    main()
