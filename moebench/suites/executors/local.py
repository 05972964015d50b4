"""Cells on this machine: a fresh process for each, one for each device at a time."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from moebench.errors import BadInput
from moebench.suites.executors.endings import explain, oom_kills_so_far
from moebench.suites.executors.errands import SURVEY, ask, prepare
from moebench.suites.executors.memory import limit_bytes
from moebench.suites.executors.protocol import Ended, Job, Started
from moebench.suites.executors.workers import Task, Workers

CELL_PROGRAM = "moebench.cell"


class LocalExecutor:
    """Runs `jobs` cells side by side, by default as many as there are devices.

    Timed cells never share a device, so more `jobs` than devices are refused; all processors of the machine
    together are one device. `cell_program` is the module that `python -m` would run for one cell.
    """

    def __init__(self, jobs: int | None = None, cell_program: str | None = None) -> None:
        self._jobs = jobs
        self._cell_program = cell_program or CELL_PROGRAM
        # Arrow imports pandas when it first converts a value: 0.3 s in every cell that has not inherited it.
        self._workers = Workers([self._cell_program, SURVEY, "pandas"])

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.close()

    def environment(self) -> dict[str, Any]:
        """What `cell.environment()` says in a worker.

        Raises BadInput for more jobs than devices.
        """
        self._places()
        return dict(self._environment)

    def resolve(self, specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What `cell.resolve(specs)` says in a worker."""
        answer: list[dict[str, Any]] = ask(self._workers, self._cell_program, list(specs))
        return answer

    def prepare(self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
        """What `cell.prepare(specs)` says in a worker."""
        return prepare(self._workers, self._cell_program, list(specs), say)

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Run the jobs, in their order, as devices become free."""
        places = self._places()
        waiting = iter(jobs)
        side_by_side = len(places)
        running: dict[str, tuple[Job, Task, int]] = {}

        def fill() -> Iterator[Started]:
            while places and (job := next(waiting, None)):
                place = places.pop()
                argv, limit = [str(job.spec), str(job.out)], limit_bytes(job.limits, side_by_side)
                task = Task(job.name, self._cell_program, argv, job.log, job.limits.time_limit_s, limit, place)
                running[job.name] = (job, task, oom_kills_so_far())
                self._workers.start(task)
                yield Started(job)

        yield from fill()
        for end in self._workers.ends():
            job, task, oom_kills = running.pop(end.name)
            places.append(task.env)
            if job.out.exists():  # it was published whole, so what happened afterwards does not matter
                yield Ended(job, end.seconds)
            else:
                yield Ended(job, end.seconds, *explain(end, task, oom_kills_so_far() - oom_kills))
            yield from fill()

    @cached_property
    def _environment(self) -> dict[str, Any]:
        answer: dict[str, Any] = ask(self._workers, self._cell_program, None)
        return answer

    def _places(self) -> list[Mapping[str, str]]:
        """The environment variables that give a cell its device, for as many cells as may run at once."""
        platform, devices = self._environment["platform"], self._environment["device_count"]
        places: list[Mapping[str, str]] = [{}]
        if platform == "gpu" and devices > 1:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            names = visible if len(visible) == devices else [str(index) for index in range(devices)]
            places = [{"CUDA_VISIBLE_DEVICES": name} for name in names]
        jobs = len(places) if self._jobs is None else self._jobs
        if jobs > len(places):
            held = "the processors, which are one device" if platform == "cpu" else f"{len(places)} device(s)"
            raise BadInput(
                f"--jobs {jobs} is more than this machine can time: it has {held}, and timed cells never share one."
            )
        return places[:jobs]
