"""Cells on this machine, each in a fresh process.

A cell has accelerators of its own, or takes turns on the processors.
"""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from moebench.errors import BadInput
from moebench.executors.base import Ended, Job, Started
from moebench.executors.exit_reason import explain, oom_kills_so_far
from moebench.executors.memory_limit import limit_bytes
from moebench.executors.process_pool import Task, Workers
from moebench.executors.remote import SURVEY, prepare, query
from moebench.executors.turn_locks import can_lock
from moebench.spec.limits import Limits
from moebench.spec.machine import usable_cpus
from moebench.spec.side_by_side import AT_ONCE_VARIABLE

CELL_PROGRAM = "moebench.cells.run"
_CELLS_ON_PROCESSORS = 2
"""Cells side by side on processors by default. A step of a small model keeps about one processor busy.

Pairs of cells of the default suite's size (dense, bpr, soft; AMD EPYC, two processors) took 46 s side by side and 74 s
one after the other.
"""


@dataclass(frozen=True)
class _Running:
    job: Job
    task: Task
    devices: list[str]
    oom_kills: int
    """Processes that the kernel had killed for lack of memory before the start."""


class LocalExecutor:
    """Executor that runs `jobs` cells side by side on this machine.

    The default is one cell for each device. A cell on several devices counts as several cells. A cell on accelerators
    shares them with no other cell. Cells on processors share the processors, by default two cells at a time; while one
    cell is timed, the other cells pause. Cells side by side have parts of the machine's memory; a cell that needs more
    runs again alone. `cell_program` is the module that `python -m` would run for one cell.
    """

    def __init__(self, jobs: int | None = None, cell_program: str | None = None) -> None:
        self._jobs = jobs
        self._cell_program = cell_program or CELL_PROGRAM
        # Arrow imports pandas when it first converts a value: 0.3 s in every cell, unless the server has imported
        # pandas.
        self._workers = Workers([self._cell_program, SURVEY, "pandas"])

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.close()

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

    def notes(self) -> list[str]:
        """Return a sentence if cells on processors cannot take turns."""
        if self._devices or self._wanted() == 1 or self._can_take_turns:
            return []
        return [
            f"cells run one at a time, because files in {tempfile.gettempdir()} cannot be locked: set TMPDIR to a "
            "folder on a local disk."
        ]

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Run the jobs in their order, each as soon as enough devices and memory are free.

        A cell that needs more than its share of the memory starts again when no other cell runs.
        """
        waiting = deque((job, False) for job in jobs)
        side_by_side = min(self._side_by_side(), max(1, len(waiting)))
        free = self._devices or [str(index) for index in range(side_by_side)]
        most, memory = len(free), limit_bytes(Limits())
        running: dict[str, _Running] = {}

        def fill() -> Iterator[Started]:
            while waiting and len(running) < side_by_side:
                job, again = waiting[0]
                # A cell that needs more devices than the machine has gets all of them; its row then names the lack.
                takes = min(job.devices, most)
                limit = limit_bytes(job.limits, 1.0 if again else max(takes / most, 1 / side_by_side))
                taken = sum(each.task.memory_limit_bytes for each in running.values())
                if takes > len(free) or (running and taken + limit > memory):
                    return
                waiting.popleft()
                devices = [free.pop(0) for _ in range(takes)]
                task = self._task(job, limit, devices, side_by_side)
                running[job.name] = _Running(job, task, devices, oom_kills_so_far())
                self._workers.start(task)
                if not again:
                    yield Started(job)

        yield from fill()
        for end in self._workers.ends():
            ended = running.pop(end.name)
            job, task = ended.job, ended.task
            free.extend(ended.devices)
            if job.out.exists():  # the cell publishes its rows whole, so a failure afterwards does not matter
                yield Ended(job, end.seconds)
            elif end.stopped == "memory" and job.limits.memory_limit_gib is None and task.memory_limit_bytes < memory:
                waiting.appendleft((job, True))
            else:
                yield Ended(job, end.seconds, *explain(end, task, oom_kills_so_far() - ended.oom_kills))
            yield from fill()

    def _task(self, job: Job, limit: int, devices: Sequence[str], side_by_side: int) -> Task:
        """Return the task of a job; only cells on processors take turns.

        Args:
            job: the job.
            limit: memory limit in bytes.
            devices: the cell's accelerators, or its places among the cells on processors.
            side_by_side: largest number of cells side by side.
        """
        argv, limits = [str(job.spec), str(job.out)], (job.limits.time_limit_s, limit)
        if self._devices or side_by_side == 1:
            env = {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if len(self._devices) > 1 else {}
            return Task(job.name, self._cell_program, argv, job.log, *limits, env)
        env = {AT_ONCE_VARIABLE: str(side_by_side)}
        return Task(job.name, self._cell_program, argv, job.log, *limits, env, int(devices[0]), side_by_side)

    @cached_property
    def _environment(self) -> dict[str, Any]:
        answer: dict[str, Any] = query(self._workers, self._cell_program, None)
        return answer

    @cached_property
    def _can_take_turns(self) -> bool:
        """Whether cells on processors can lock the files by which they take turns."""
        return can_lock()

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
        wanted = self._wanted()
        return wanted if self._devices or wanted == 1 or self._can_take_turns else 1

    def _wanted(self) -> int:
        """Return how many cells the user wants at once, or the default.

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
