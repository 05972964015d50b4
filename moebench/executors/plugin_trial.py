"""A first import of a plugin in a process of its own.

A plugin that ends its process then does no harm. If a file calls `os._exit`, or crashes in compiled code, the importing
process cannot catch that.
"""

import importlib
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path

from moebench.errors import BadInput
from moebench.executors.exit_reason import last_line
from moebench.executors.memory_limit import usable_bytes
from moebench.executors.process_pool import Task, TaskEnd, Workers

PROGRAM = __name__
_LIMIT_S = 300.0
_MISTAKE = 2


def try_plugins(files: Iterable[str], workers: Workers | None = None) -> None:
    """Import each file in a process of its own.

    Args:
        files: paths of plugins.
        workers: start the processes; None: a server for this trial alone.

    Raises:
        BadInput: a file cannot be imported; the message names the file and how its process ended.
    """
    if workers is None:
        with Workers([PROGRAM, "moebench.routers"]) as own:
            return try_plugins(files, own)
    for file in files:
        with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
            log, done = Path(folder, "log"), Path(folder, "done")
            workers.start(Task("plugin", PROGRAM, [file, str(done)], log, _LIMIT_S, usable_bytes()))
            (end,) = workers.ends()
            if not done.exists():
                printed = last_line(log) if end.code == _MISTAKE else ""
                raise BadInput(printed or f"plugin {file} {_in_words(end)}.", key="plugins")
    return None


def main(argv: list[str]) -> int:
    """Import the plugin `argv[0]` and write the file `argv[1]`, or print a mistake."""
    try:
        importlib.import_module("moebench.routers").load_plugin(Path(argv[0]))
    except BadInput as error:
        print(" ".join(str(error).split()))
        return _MISTAKE
    except BaseException as error:  # a KeyboardInterrupt that the plugin raises: no keyboard belongs to this process
        print(f"plugin {argv[0]} raises {type(error).__name__}.")
        return _MISTAKE
    Path(argv[1]).touch()
    return 0


def _in_words(end: TaskEnd) -> str:
    if end.stopped is not None:
        return f"does not end: its import was stopped at the limit of {end.stopped}"
    if end.code < 0:
        return f"ends the process that imports it, by {signal.Signals(-end.code).name}"
    return f"ends the process that imports it, with exit code {end.code}"
