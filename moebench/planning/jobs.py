"""Run compilations, each in a process of its own, and cache their results.

Each process has limits of time and memory.
"""

import hashlib
import importlib.metadata
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from moebench.cells.fingerprint import code
from moebench.code.digests import digest
from moebench.data.cache import read_record, write_record
from moebench.executors.exit_reason import explain, oom_kills_so_far
from moebench.executors.memory_limit import limit_bytes
from moebench.executors.process_pool import Task, Workers
from moebench.planning.case import Case, Compiled
from moebench.planning.devices import find
from moebench.planning.target import check_compiler, environment
from moebench.spec.limits import Limits

PROGRAM = "moebench.planning.case"
SAY_EVERY_S = 30.0


class Compiler:
    """A compiler of cases, one after another, with a cache folder.

    A case that was compiled before is read from the cache folder.
    """

    def __init__(self, limits: Limits, say: Callable[[str], None], fresh: bool = False) -> None:
        """Start the process from which compilations are forked.

        Args:
            limits: limits of each compilation.
            say: receives a line before each compilation.
            fresh: whether to compile cases again whose results are cached.
        """
        self._limits, self._say, self._fresh = limits, say, fresh
        self._workers: Workers | None = None
        self.compiled = 0

    def __enter__(self) -> "Compiler":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers is not None:
            self._workers.close()

    def __call__(self, case: Case, what: str) -> Compiled:
        """Return the result of a case.

        Args:
            case: the case to compile.
            what: the case in words for the user.
        """
        key = _key(case)
        if not self._fresh and (known := read_record(key, Compiled)) is not None:
            return known
        self._say(f"compiling {what}")
        with reminding(self._say, what):
            found = self._run(case)
        self.compiled += 1
        if found.facts is not None:
            write_record(key, found)
        return found

    def _run(self, case: Case) -> Compiled:
        if self._workers is None:
            self._workers = Workers([PROGRAM])
        device, (data, experts) = find(case.device), case.spec.mesh_shape
        with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
            given, out, log = (Path(folder, name) for name in ("case.json", "compiled.json", "log"))
            given.write_text(case.model_dump_json(), encoding="utf-8")
            limits = self._limits
            task = Task(
                "compile",
                PROGRAM,
                [str(given), str(out)],
                log,
                limits.time_limit_s,
                limit_bytes(limits),
                environment(device, data * experts),
            )
            kills = oom_kills_so_far()
            try:
                self._workers.start(task)
                (end,) = self._workers.ends()
            except BaseException:
                self._workers.close()  # first: a running worker would write into the folder after its removal
                raise
            if out.exists():
                return Compiled.model_validate_json(out.read_bytes())
            status, reason = explain(end, task, oom_kills_so_far() - kills)
            return Compiled(status=status, reason=f"the compiler was {reason}" if end.stopped else reason)


@contextmanager
def reminding(say: Callable[[str], None], what: str) -> Iterator[None]:
    """Print a line every half minute while a compilation runs.

    Args:
        say: receives the line.
        what: the compilation in words.
    """
    done, began = threading.Event(), time.monotonic()

    def remind() -> None:
        while not done.wait(SAY_EVERY_S):
            say(f"compiling {what}: {time.monotonic() - began:.0f} s so far")

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()


def _key(case: Case) -> str:
    """Return a name that is equal for equal programs, compilers and readers only."""
    own = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))))
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")}
    spec = case.spec.model_dump(mode="json", exclude={"seeds", "plugins"})
    return "plan-" + digest(
        [
            *code(case.spec.router),
            json.dumps({**case.model_dump(mode="json"), "spec": spec}, sort_keys=True),
            json.dumps(versions, sort_keys=True),
            check_compiler(find(case.device)),
            own.hexdigest(),
        ]
    )
