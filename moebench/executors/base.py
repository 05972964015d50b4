"""The interface of executors, and the jobs that they run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from moebench.spec.limits import Limits


class ExecutorError(RuntimeError):
    """An error of the executor itself, whatever the cells are.

    The text is complete without a traceback.
    """


@dataclass(frozen=True)
class Job:
    """One cell to run.

    The cell program gets `spec` and `out` as arguments; its output goes to `log`.
    """

    name: str
    spec: Path
    out: Path
    log: Path
    limits: Limits
    devices: int = 1
    """Devices that the cell needs; all processors of a machine count as one device."""


@dataclass(frozen=True)
class Started:
    """A job that began."""

    job: Job


@dataclass(frozen=True)
class Ended:
    """A job that ended.

    Without `status` the job's rows are in `out`; with a `status` the driver writes the rows.
    """

    job: Job
    seconds: float
    status: str | None = None
    reason: str | None = None


@runtime_checkable
class Executor(Protocol):
    """A way to run cells on devices.

    Results travel by files, so that the loss of the driver loses no finished cell.
    """

    def environment(self) -> dict[str, Any]:
        """Return the platform, device kind and versions that a cell will find.

        The values are columns of the result table.

        Raises:
            BadInput: `jobs` is more than the number of cells that can be timed side by side, or JAX cannot start.
        """

    def notes(self) -> list[str]:
        """Return sentences for the user on how cells will run, such as a cause that keeps them from running at once."""

    def resolve(
        self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return the identity and input columns of each specification, or what is wrong with it.

        Args:
            specs: the specifications.
            say: receives progress if the executor can follow it: a user's images are read once to identify them.
        """

    def prepare(self, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Make the images of specifications; return for each specification what is wrong with its images.

        An executor whose cells run on other machines returns an empty list: the first cell on each machine makes the
        images.

        Args:
            specs: the specifications.
            say: receives progress.
        """

    def run(self, jobs: Iterable[Job]) -> Iterator[Started | Ended]:
        """Run every job; yield each as it begins and as it ends, in any order.

        A job that fails does not stop the other jobs. Closing the iterator stops every running job.
        """

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *error: object) -> None:
        """Stop every running job."""
