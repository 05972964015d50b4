"""Executors: the ways to run cells, behind one protocol."""

from moebench.errors import BadInput, unknown
from moebench.executors.base import Ended, Executor, ExecutorError, Job, Started
from moebench.executors.local import LocalExecutor

__all__ = ["Ended", "Executor", "ExecutorError", "Job", "LocalExecutor", "Started", "create"]


def create(name: str, jobs: int | None = None) -> Executor:
    """Return the executor called local, ray or slurm.

    Args:
        name: name of the executor.
        jobs: number of cells side by side; None leaves the number to the executor.

    Raises:
        BadInput: the name is unknown, `jobs` is below 1, or the package of an extra is missing.
    """
    if jobs is not None and jobs < 1:
        raise BadInput(f"--jobs should be at least 1, not {jobs}.")
    if name == "local":
        return LocalExecutor(jobs)
    if name == "ray":
        from moebench.executors.ray import RayExecutor

        return RayExecutor(jobs)
    if name == "slurm":
        from moebench.executors.slurm import SlurmExecutor

        return SlurmExecutor(jobs)
    raise unknown("executor", name, ["local", "ray", "slurm"])
