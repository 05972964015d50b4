"""Cells as jobs of a Slurm cluster, by submitit.

Partition, account and similar settings come from sbatch's own variables: SBATCH_PARTITION, SBATCH_ACCOUNT and so on.
The compute nodes have to share the results folder and the home folder, and must find moebench at the path that the
driver uses.
"""

import itertools
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from moebench.executors import local
from moebench.executors.base import Ended, ExecutorError, Job, Started
from moebench.executors.exit_reason import first_line
from moebench.executors.remote import SURVEY_LIMIT_S, absolute, needed, query_here, run_here
from moebench.spec.limits import Limits

_GRACE_S = 300.0
"""Seconds that Slurm grants beyond a cell's own time limit, for starting Python and writing files.

The cell's own limit stops the cell first, with a reason.
"""
_LOST = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED")


class SlurmExecutor:
    """Executor that submits one Slurm array for each resource class.

    At most `jobs` tasks of an array run side by side. A cell takes GPUs of one node if the partition has any, else a
    whole node. A cell whose node fails is submitted once more. The end of the run cancels all jobs. `cluster` is
    submitit's name for the scheduler; "local" needs no Slurm.

    Raises:
        BadInput: submitit is not installed.
    """

    def __init__(
        self, jobs: int | None = None, cell_program: str | None = None, cluster: str = "slurm", poll_s: float = 2.0
    ) -> None:
        self._submitit = needed("submitit", extra="slurm")
        self._jobs = jobs
        self._cell_program = cell_program or local.CELL_PROGRAM
        self._cluster = cluster
        self._poll_s = poll_s
        self._alive: list[Any] = []

    def __enter__(self) -> "SlurmExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        self._cancel()

    def environment(self) -> dict[str, Any]:
        """Return the result of the cell program's `environment()`, called in a job."""
        return dict(self._environment)

    def notes(self) -> list[str]:
        """Return no sentence."""
        return []

    def resolve(
        self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return the result of the cell program's `resolve(specs)`, called in a job."""
        answer: list[dict[str, Any]] = self._query(list(specs))
        return answer

    def prepare(self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Return an empty list: each machine makes the images that its first cell needs."""
        return []

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Submit all jobs; yield each job as it begins and as it ends.

        Closing the iterator cancels the rest.
        """
        flying: list[tuple[Job, Any, bool]] = []
        resources = sorted(map(absolute, jobs), key=_resource_class)
        for (limits, devices), group in itertools.groupby(resources, key=lambda job: (job.limits, job.devices)):
            flying += self._submit(list(group), limits, devices)
        started: dict[str, float] = {}
        try:
            while flying:
                left = []
                for job, placed, again in flying:
                    # A cell has begun once its log exists; Slurm reports the beginning minutes later.
                    if job.name not in started and (job.log.exists() or placed.done()):
                        started[job.name] = time.monotonic()
                        yield Started(job)
                    lost = _state(placed) in _LOST  # submitit expects jobs to return from some of these
                    if not (lost or placed.done()):
                        left.append((job, placed, again))
                    elif lost and not again and not job.out.exists():
                        left += [(job, other, True) for _, other, _ in self._submit([job], job.limits, job.devices)]
                    else:
                        self._alive.remove(placed)
                        yield self._end(job, placed, time.monotonic() - started[job.name])
                flying = left
                if flying:
                    time.sleep(self._poll_s)
        finally:
            self._cancel()

    @cached_property
    def _environment(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._query(None)
        return answer

    def _query(self, specs: list[Mapping[str, Any]] | None) -> Any:
        job = self._executor(Limits(SURVEY_LIMIT_S)).submit(query_here, self._cell_program, specs)
        self._alive.append(job)
        try:
            return job.result()
        except self._submitit.core.utils.UncompletedJobError as error:
            raise ExecutorError(f"the query of the device failed in Slurm job {job.job_id}: {error}") from error
        finally:
            if job.done():
                self._alive.remove(job)

    def _submit(self, jobs: list[Job], limits: Limits, devices: int) -> list[tuple[Job, Any, bool]]:
        """Submit the jobs as one array; return each with its Slurm job and False.

        False marks a first try.
        """
        executor = self._executor(limits, devices)
        with executor.batch():
            placed = [executor.submit(run_here, self._cell_program, job, job.spec.read_bytes()) for job in jobs]
        self._alive += placed
        return [(job, one, False) for job, one in zip(jobs, placed, strict=True)]

    def _executor(self, limits: Limits, devices: int = 1) -> Any:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        executor = self._submitit.AutoExecutor(cache / "moebench" / "slurm", cluster=self._cluster)
        resources: dict[str, Any] = {"gpus_per_node": devices} if self._gpus else {"slurm_exclusive": True}
        if limits.memory_limit_gib is not None:
            resources["mem_gb"] = math.ceil(limits.memory_limit_gib) + 1  # the cell's own limit is to end it first
        minutes = math.ceil((limits.time_limit_s + _GRACE_S) / 60)
        # Without srun, to whose step Slurm would send submitit's warning signal: the cell has limits of its own.
        resources |= {"nodes": 1, "tasks_per_node": 1, "slurm_use_srun": False}
        executor.update_parameters(name="moebench", timeout_min=minutes, **resources)
        if self._jobs is not None:
            executor.update_parameters(slurm_array_parallelism=self._jobs)
        return executor

    @cached_property
    def _gpus(self) -> bool:
        """Whether the nodes of the partition have GPUs, according to sinfo."""
        partition = os.environ.get("SBATCH_PARTITION")
        command = ["sinfo", "--noheader", "--format=%G", *(["--partition", partition] if partition else [])]
        try:
            return "gpu" in subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            return False

    def _end(self, job: Job, placed: Any, seconds: float) -> Ended:
        errors = self._submitit.core.utils
        try:
            ended: Ended = placed.result().receive(job)
            return ended
        except errors.FailedJobError as error:
            status, reason = "crashed", str(error).strip().splitlines()[-1]
        except errors.UncompletedJobError as error:
            statuses = {"OUT_OF_MEMORY": "oom", "TIMEOUT": "timeout"}
            status = statuses.get(_state(placed), "crashed")
            reason = f"Slurm job {placed.job_id} ended as {_state(placed)}: {first_line(error)}"
        if job.out.exists():
            return Ended(job, seconds)
        return Ended(job, seconds, status, reason)

    def _cancel(self) -> None:
        for job in self._alive:
            job.cancel(check=False)
        self._alive.clear()


def _state(placed: Any) -> str:
    """Return Slurm's word for the state of a job, without the user who cancelled it."""
    return str(placed.state).partition(" ")[0].rstrip("+")


def _resource_class(job: Job) -> tuple[float, float, int]:
    """Return the key of the jobs that are submitted together: equal limits and devices."""
    return job.limits.time_limit_s, job.limits.memory_limit_gib or 0.0, job.devices
