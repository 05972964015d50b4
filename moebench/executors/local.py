"""Cells on this machine, each in a fresh process.

A cell has accelerators of its own, or takes turns on the processors.
"""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any

from moebench.errors import BadInput
from moebench.executors.base import Ended, Job, Started
from moebench.executors.exit_reason import explain, oom_kills_so_far
from moebench.executors.memory_limit import limit_bytes
from moebench.executors.process_pool import Task, Workers
from moebench.executors.remote import SURVEY, prepare, query
from moebench.spec.machine import usable_cpus
from moebench.spec.side_by_side import AT_ONCE_VARIABLE, TURNS_VARIABLE

CELL_PROGRAM = "moebench.cells.run"
_CELLS_ON_PROCESSORS = 2
"""Cells side by side on processors by default. A step of a small model keeps about one processor busy.

Pairs of cells of the default suite's size (dense, bpr, soft; AMD EPYC, two processors) took 46 s side by side and 74 s
one after the other.
"""


class LocalExecutor:
    """Executor that runs `jobs` cells side by side on this machine.

    The default is one cell for each device. A cell on several devices counts as several cells. A cell on accelerators
    shares them with no other cell. Cells on processors share the processors, by default two cells at a time; while one
    cell is timed, the other cells pause. `cell_program` is the module that `python -m` would run for one cell.
    """

    def __init__(self, jobs: int | None = None, cell_program: str | None = None) -> None:
        self._jobs = jobs
        self._cell_program = cell_program or CELL_PROGRAM
        # Arrow imports pandas when it first converts a value: 0.3 s in every cell, unless the server has imported
        # pandas.
        self._workers = Workers([self._cell_program, SURVEY, "pandas"])
        self._closing = ExitStack()
        self._closing.callback(self._workers.close)

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def environment(self) -> dict[str, Any]:
        """Return the result of the cell program's `environment()`, called in a worker.

        Raises:
            BadInput: `jobs` is more than the number of devices.
        """
        self._side_by_side()
        return dict(self._environment)

    def resolve(
        self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return the result of the cell program's `resolve(specs)`, called in a worker."""
        answer: list[dict[str, Any]] = query(self._workers, self._cell_program, list(specs), say)
        return answer

    def prepare(self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Return the result of the cell program's `prepare(specs)`, called in a worker."""
        return prepare(self._workers, self._cell_program, list(specs), say)

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Run the jobs in their order, each as soon as enough devices are free."""
        waiting = deque(jobs)
        side_by_side = min(self._side_by_side(), max(1, len(waiting)))
        free = self._devices or [str(index) for index in range(side_by_side)]
        most = len(free)
        running: dict[str, tuple[Job, Task, list[str], int]] = {}

        def fill() -> Iterator[Started]:
            # A cell that needs more devices than the machine has gets all of them; its row then names the lack.
            while waiting and len(running) < side_by_side and len(free) >= (takes := min(waiting[0].devices, most)):
                job = waiting.popleft()
                devices = [free.pop(0) for _ in range(takes)]
                argv, limit = [str(job.spec), str(job.out)], limit_bytes(job.limits, side_by_side)
                env = self._variables(devices, side_by_side)
                task = Task(job.name, self._cell_program, argv, job.log, job.limits.time_limit_s, limit, env)
                running[job.name] = (job, task, devices, oom_kills_so_far())
                self._workers.start(task)
                yield Started(job)

        yield from fill()
        for end in self._workers.ends():
            job, task, devices, oom_kills = running.pop(end.name)
            free.extend(devices)
            if job.out.exists():  # the cell publishes its rows whole, so a failure afterwards does not matter
                yield Ended(job, end.seconds)
            else:
                yield Ended(job, end.seconds, *explain(end, task, oom_kills_so_far() - oom_kills))
            yield from fill()

    @cached_property
    def _environment(self) -> dict[str, Any]:
        answer: dict[str, Any] = query(self._workers, self._cell_program, None)
        return answer

    def _variables(self, devices: Sequence[str], side_by_side: int) -> dict[str, str]:
        """Return the environment variables that give a cell its devices or its turns.

        Only cells on processors take turns.
        """
        if len(self._devices) > 1:
            return {"CUDA_VISIBLE_DEVICES": ",".join(devices)}
        if self._devices or side_by_side == 1:
            return {}
        return {TURNS_VARIABLE: self._turns, AT_ONCE_VARIABLE: str(side_by_side)}

    @cached_property
    def _turns(self) -> str:
        """Folder of the locks by which cells on processors take turns.

        The folder lasts as long as the executor.
        """
        return self._closing.enter_context(tempfile.TemporaryDirectory(prefix="moebench-"))

    @property
    def _devices(self) -> list[str]:
        """Accelerators by the names that CUDA_VISIBLE_DEVICES uses; empty on processors."""
        platform, count = self._environment["platform"], self._environment["device_count"]
        if platform == "cpu":
            return []
        if platform != "gpu":
            return ["0"]
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        return visible if len(visible) == count else [str(index) for index in range(count)]

    def _side_by_side(self) -> int:
        """Return how many cells may run at once.

        Raises:
            BadInput: more jobs than accelerators or processors.
        """
        most, default = len(self._devices), len(self._devices)
        if not self._devices:
            most = usable_cpus()
            default = min(most, _CELLS_ON_PROCESSORS)
        jobs = default if self._jobs is None else self._jobs
        if jobs > most:
            there = f"{most} device(s), which cells do not share" if self._devices else f"{most} processor(s)"
            raise BadInput(f"--jobs {jobs} is more than this machine can time: it has {there}.")
        return jobs
