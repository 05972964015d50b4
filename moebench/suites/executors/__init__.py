"""Where cells run: one protocol, and the executors that follow it."""

from moebench.errors import BadInput, unknown
from moebench.suites.executors.local import LocalExecutor
from moebench.suites.executors.protocol import Ended, Executor, ExecutorError, Job, Started

__all__ = ["Ended", "Executor", "ExecutorError", "Job", "LocalExecutor", "Started", "create"]

_PLANNED = ("ray", "slurm")


def create(name: str, jobs: int | None = None) -> Executor:
    """The executor of that name.

    Raises BadInput for a name that is unknown or that this version cannot run.
    """
    if name in _PLANNED:
        raise BadInput(f"the executor '{name}' is not part of this version; use --executor local.")
    if name != "local":
        raise unknown("executor", name, ["local"])
    if jobs is not None and jobs < 1:
        raise BadInput(f"--jobs should be at least 1, not {jobs}.")
    return LocalExecutor(jobs)
