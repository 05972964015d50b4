"""Work of executors on a cell's machine: query its device, run one cell program.

Results travel by files. If the machine shares the driver's files, the cell program writes its rows there, so that a
finished cell survives the driver. If not, the machine returns the files as bytes.
"""

import importlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moebench.errors import BadInput
from moebench.executors.base import Ended, ExecutorError, Job
from moebench.executors.exit_reason import explain, last_line, oom_kills_so_far
from moebench.executors.memory_limit import limit_bytes, usable_bytes
from moebench.executors.plugin_trial import try_plugins
from moebench.executors.process_pool import Task, TaskEnd, Workers
from moebench.files import entries, publishing
from moebench.spec.jax_trouble import ended, jax_trouble

SURVEY = "moebench.executors.query_program"
SURVEY_LIMIT_S = 300.0
PREPARATION_LIMIT_S = 7 * 24 * 3600.0
_LOOK_AGAIN_S = 0.25
_DOING = {"environment": "query the device", "resolve": "resolve the cells", "prepare": "make the images"}


@dataclass(frozen=True)
class Delivery:
    """How a cell ended on another machine, and its files as bytes.

    The driver may not see the files on that machine.
    """

    seconds: float
    status: str | None
    reason: str | None
    rows: bytes | None
    log: bytes | None
    recordings: Mapping[str, bytes] = field(default_factory=dict)
    """Recordings of routing by their file names."""

    def receive(self, job: Job) -> Ended:
        """Write the files that are missing on this machine; return how the job ended."""
        if self.log is not None:
            job.log.write_bytes(self.log)
        # Rows travel back even from a machine that shares the folder: a shared folder may show new files seconds later.
        if self.rows is not None and not job.out.exists():
            with publishing(job.out) as temporary:
                temporary.write_bytes(self.rows)
        for name, content in self.recordings.items():
            folder = Path(json.loads(job.spec.read_bytes())["recordings"])
            with publishing(folder / name) as temporary:
                temporary.write_bytes(content)
        return Ended(job, self.seconds, self.status, self.reason)


def query(
    workers: Workers,
    cell_program: str,
    specs: Sequence[Mapping[str, Any]] | None,
    say: Callable[[str], None] | None = None,
) -> Any:
    """Return the cell program's answer about specifications, or about the environment if `specs` is None.

    Args:
        workers: run the cell program.
        cell_program: module of the cell program.
        specs: the specifications.
        say: receives each new last line that the program prints.
    """
    if specs is None:
        return _answered(workers, cell_program, "environment", specs, SURVEY_LIMIT_S)
    # No time limit: a user's images are read once to identify them, however long that takes.
    return _answered(workers, cell_program, "resolve", specs, PREPARATION_LIMIT_S, say)


def prepare(
    workers: Workers, cell_program: str, specs: Sequence[Mapping[str, Any]], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Make the images of specifications by the cell program; return what is wrong with each.

    Args:
        workers: run the cell program.
        cell_program: module of the cell program.
        specs: the specifications.
        say: receives progress.
    """
    answer: list[dict[str, Any]] = _answered(workers, cell_program, "prepare", specs, PREPARATION_LIMIT_S, say)
    return answer


def _answered(
    workers: Workers,
    cell_program: str,
    wanted: str,
    specs: Sequence[Mapping[str, Any]] | None,
    limit_s: float,
    say: Callable[[str], None] | None = None,
) -> Any:
    with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
        request, answer, log = (Path(folder, name) for name in ("request.json", "answer.json", "log"))
        content = {"cell_program": cell_program, "wanted": wanted, "specs": specs}
        try:
            request.write_text(json.dumps(content), encoding="utf-8")
        except OSError as error:
            raise ExecutorError(f"cannot write into the temporary folder {folder}: {error.strerror}") from error
        argv = [str(request), str(answer)]
        workers.start(Task(wanted, SURVEY, argv, log, limit_s, usable_bytes()))
        try:
            with _following(log, say) if say else nullcontext():
                (end,) = workers.ends()
        except BaseException:
            workers.close()  # first: a running worker would write into the folder after its removal
            raise
        if not answer.exists():
            # One of the plugins may have ended the worker: importing each plugin alone finds which one.
            try_plugins(dict.fromkeys(plugin for spec in specs or [] for plugin in spec.get("plugins", ())), workers)
            raise _unanswered(_DOING[wanted], end, log)
        answered = json.loads(answer.read_text(encoding="utf-8"))
    if "mistake" in answered:
        raise BadInput(answered["mistake"], key=answered["key"])
    return answered["answer"]


def _unanswered(doing: str, end: TaskEnd, log: Path) -> Exception:
    """Return why a worker ended without an answer.

    Possible reasons are a failed start of JAX, a limit, and a fault of the worker.
    """
    printed = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if sentence := jax_trouble(printed) or (ended(end.code) if end.stopped is None else None):
        return BadInput(sentence)
    if end.stopped is not None or not printed.strip():
        why = f"it reached its limit of {end.stopped}" if end.stopped else f"it ended with exit code {end.code}"
        return ExecutorError(f"the worker could not {doing}: {why}.")
    return ExecutorError(f"the worker could not {doing}; it printed:\n{printed.strip()}")


@contextmanager
def _following(log: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Pass each new last line of a log to `say` while the block lasts."""
    end = threading.Event()

    def follow() -> None:
        printed = ""
        while not end.wait(_LOOK_AGAIN_S):
            line = last_line(log)
            if line and line != printed:
                say(line)
                printed = line

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        end.set()
        follower.join()


def query_here(cell_program: str, specs: Sequence[Mapping[str, Any]] | None) -> Any:
    """Return the answer of `query`, with workers that are started for this call."""
    with Workers([cell_program, SURVEY]) as workers:
        return query(workers, cell_program, specs)


def run_here(cell_program: str, job: Job, spec: bytes, side_by_side: int = 1) -> Delivery:
    """Run one cell on the machine of the caller, under the job's limits.

    Args:
        cell_program: module of the cell program.
        job: the job, with paths of the driver's machine.
        spec: content of the file `job.spec`. If this machine has that very file, it shares the driver's folders.
        side_by_side: devices whose cells share the machine's memory, unless the limits set the memory of a cell.
    """
    with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
        shared, recordings = _holds(job.spec, spec), Path(folder, "recordings")
        files = (job.spec, job.out, job.log) if shared else tuple(Path(folder, name) for name in ("spec", "out", "log"))
        if not shared:
            record = json.loads(spec)
            for name in ("checkpoints", "models"):
                record.pop(name, None)  # a folder of the driver's machine
            record["recordings"] = str(recordings)
            files[0].write_text(json.dumps(record), encoding="utf-8")
        limits = (job.limits.time_limit_s, limit_bytes(job.limits, min(1.0, job.devices / side_by_side)))
        task = Task(job.name, cell_program, [str(files[0]), str(files[1])], files[2], *limits)
        oom_kills = oom_kills_so_far()
        with Workers([cell_program]) as workers:
            workers.start(task)
            (end,) = workers.ends()
        status, reason = None, None
        if not files[1].exists():
            status, reason = explain(end, task, oom_kills_so_far() - oom_kills)
        log = None if shared or not files[2].exists() else files[2].read_bytes()
        rows = files[1].read_bytes() if status is None else None
        recorded = {path.name: path.read_bytes() for path in entries(recordings) if path.suffix == ".parquet"}
        return Delivery(end.seconds, status, reason, rows, log, recorded)


def absolute(job: Job) -> Job:
    """Return the job with absolute paths, which mean the same in any process."""
    return replace(job, spec=job.spec.absolute(), out=job.out.absolute(), log=job.log.absolute())


def needed(module: str, extra: str) -> Any:
    """Return a module that an executor needs.

    Args:
        module: name of the module.
        extra: moebench's extra that installs the module.

    Raises:
        BadInput: the module is not installed; the message contains the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BadInput(
            f"the executor '{extra}' needs {module}, which is not installed: pip install 'moebench[{extra}]'"
        ) from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
