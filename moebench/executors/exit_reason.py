"""Why a cell ended without rows: status and reason in the rows of the driver."""

import signal
from pathlib import Path

from moebench.executors.log_file import TAIL_BYTES
from moebench.executors.process_pool import Task, TaskEnd

_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "MemoryError", "std::bad_alloc", "out of memory")


def explain(end: TaskEnd, task: Task, oom_kills: int) -> tuple[str, str]:
    """Return the status and the reason of a cell that ended without rows.

    Args:
        end: how the cell's process ended.
        task: the task, with its limits and its log.
        oom_kills: processes that the kernel killed for lack of memory while the cell ran.
    """
    printed = _tail(task.log)
    if end.stopped == "time":
        status, reason = "timeout", f"stopped at its time limit of {task.time_limit_s:g} s"
    elif end.stopped == "memory":
        status, reason = "oom", f"stopped at its memory limit of {task.memory_limit_bytes / (1 << 30):.3g} GiB"
    elif end.error is not None:
        status, reason = "crashed", end.error
    elif end.code == -signal.SIGKILL and oom_kills:
        status, reason = "oom", "killed by the kernel: the machine ran out of memory"
    elif end.code and (line := _last_line_with(printed, _OUT_OF_MEMORY)):
        status, reason = "oom", line
    elif end.code < 0:
        status, reason = "crashed", f"killed by {signal.Signals(-end.code).name}"
    elif end.code == 0:
        status, reason = "crashed", "ended without writing its rows"
    else:
        last = printed[-1].strip() if printed else "it printed nothing"
        status, reason = "crashed", f"exit code {end.code}: {last}"
    return status, _cut(reason)


def oom_kills_so_far() -> int:
    """Return how many processes the kernel has killed for lack of memory.

    The kernel counts from its start. The result is 0 if the number is unknown.
    """
    try:
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, for a row's reason."""
    return _cut(next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__))


def last_line(log: Path) -> str:
    """Return the last line that a program printed.

    The line is empty if the log is missing or empty.
    """
    return next((line.strip() for line in reversed(_tail(log))), "")


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _last_line_with(lines: list[str], words: tuple[str, ...]) -> str | None:
    return next((line.strip() for line in reversed(lines) if any(word in line for word in words)), None)


def _cut(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."
