"""Cells on a Ray cluster that exists or lasts as long as the run.

Ray only places cells: a task takes an accelerator by resource and runs the cell program in a process of its own, under
the limits of the local executor. moebench has to be installed on every node.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from moebench.executors import local
from moebench.executors.base import Ended, ExecutorError, Job, Started
from moebench.executors.exit_reason import first_line
from moebench.executors.remote import Delivery, absolute, needed, query_here, run_here

_LOOK_AGAIN_S = 5.0
"""Seconds between two counts of the cluster's nodes: a node that joins gets cells after at most this time."""


class RayExecutor:
    """Executor that runs `jobs` cells side by side on a Ray cluster.

    The default is the number of accelerators. Ray queues cells beyond the number of accelerators. Without accelerators
    a cell takes all processors of a node. Only the nodes with the most processors then get cells: smaller nodes are
    another device. A cell whose node is lost is placed once more.

    Raises:
        BadInput: Ray is not installed.
    """

    def __init__(self, jobs: int | None = None, cell_program: str | None = None) -> None:
        self._ray = needed("ray", extra="ray")
        self._jobs = jobs
        self._cell_program = cell_program or local.CELL_PROGRAM
        self._connected = not self._ray.is_initialized()
        if self._connected:
            # Without an address Ray searches for a cluster (RAY_ADDRESS, then this machine's), and starts one if none
            # is found.
            self._ray.init(log_to_driver=False, logging_level="ERROR")

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        if self._connected:
            self._ray.shutdown()

    def environment(self) -> dict[str, Any]:
        """Return the result of the cell program's `environment()`, called on a node for cells."""
        return dict(self._environment)

    def notes(self) -> list[str]:
        """Return no sentence."""
        return []

    def resolve(
        self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return the result of the cell program's `resolve(specs)`, called on a node for cells."""
        answer: list[dict[str, Any]] = self._query(list(specs))
        return answer

    def prepare(self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Return an empty list: each machine makes the images that its first cell needs."""
        return []

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Run the jobs in their order as accelerators become free; closing cancels every running job."""
        waiting = deque(absolute(job) for job in jobs)
        flying: dict[Any, tuple[Job, float, bool]] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < (self._jobs or self._room()):
                    job = waiting.popleft()
                    flying[self._place(job)] = (job, time.monotonic(), False)
                    yield Started(job)
                landed, _ = self._ray.wait(list(flying), timeout=_LOOK_AGAIN_S)
                for reference in landed:
                    job, began, again = flying.pop(reference)
                    try:
                        end = self._fetch(reference).receive(job)
                    except _Lost as lost:
                        seconds = time.monotonic() - began
                        if job.out.exists():
                            end = Ended(job, seconds)
                        elif not again:
                            flying[self._place(job)] = (job, began, True)
                            continue
                        else:
                            end = Ended(job, seconds, "crashed", f"lost twice with the node that it ran on: {lost}")
                    yield end
        finally:
            for reference in flying:
                self._ray.cancel(reference, force=True)

    @cached_property
    def _environment(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._query(None)
        return answer

    def _query(self, specs: list[Mapping[str, Any]] | None) -> Any:
        survey = self._ray.remote(**self._share(), max_calls=1, max_retries=0)(query_here)
        try:
            return self._ray.get(survey.remote(self._cell_program, specs))
        except self._ray.exceptions.RayTaskError as error:
            raise ExecutorError(str(error.cause)) from error
        except self._ray.exceptions.RayError as error:
            raise ExecutorError(f"the query of the device failed on the Ray cluster: {first_line(error)}") from error

    def _place(self, job: Job) -> Any:
        share = self._share(job.devices)
        if job.limits.memory_limit_gib is not None:
            share["memory"] = int(job.limits.memory_limit_gib * (1 << 30))
        # One process for each cell, and no retries by Ray: it cannot tell a lost node from a cell that kills its own.
        task = self._ray.remote(**share, max_calls=1, max_retries=0)(run_here)
        return task.remote(self._cell_program, job, job.spec.read_bytes(), side_by_side=self._most("GPU") or 1)

    def _fetch(self, reference: Any) -> Delivery:
        """Return how a task ended.

        Raises:
            _Lost: the end is unknown, because the node or the process is gone.
        """
        errors = self._ray.exceptions
        try:
            delivery: Delivery = self._ray.get(reference)
            return delivery
        except errors.RayTaskError as error:
            return Delivery(0.0, "crashed", first_line(error.cause), None, None)
        except errors.OutOfMemoryError as error:
            return Delivery(0.0, "oom", f"killed by Ray: {first_line(error)}", None, None)
        except errors.RayError as error:
            raise _Lost(first_line(error)) from error

    def _share(self, devices: int = 1) -> dict[str, Any]:
        """Return the part of a node that a cell on `devices` devices takes.

        A node with fewer devices is taken whole.
        """
        gpus = self._most("GPU")
        return {"num_gpus": min(devices, gpus)} if gpus else {"num_cpus": self._most("CPU")}

    def _room(self) -> int:
        """Return how many cells the cluster's nodes can run now."""
        if self._most("GPU"):
            return int(sum(node.get("GPU", 0) for node in self._nodes()))
        return max(1, sum(node.get("CPU", 0) == self._most("CPU") for node in self._nodes()))

    def _most(self, resource: str) -> int:
        """Return the largest number of a resource that any node has."""
        return int(max((node.get(resource, 0) for node in self._nodes()), default=0))

    def _nodes(self) -> list[Mapping[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]


class _Lost(Exception):
    """A task whose end will never be known."""
