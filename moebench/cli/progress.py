"""Progress of cells: a live bar on a terminal, plain lines in a pipe."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from moebench.executors.exit_reason import last_line
from moebench.suites.eta import Pace
from moebench.suites.plan import FAILED
from moebench.suites.run import CellEnded, CellStarted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


SILENCE_S = 60.0
"""Seconds after which a pipe gets a line, whether or not a cell has ended."""
Watch = Callable[[CellStarted | CellEnded], None]
"""Shows one event of a run."""


@contextmanager
def watching(console: "Console", labels: Sequence[str]) -> Iterator[Watch]:
    """Show the events of the cells with these labels as they come."""
    pace = Pace(len(labels))
    pace.start()
    if console.is_terminal:
        with _bar(console, pace, max(map(len, labels))) as watch:
            yield watch
    else:
        with _lines(console, pace) as watch:
            yield watch


@contextmanager
def showing(console: "Console") -> Iterator[Callable[[str], None]]:
    """Return a function that shows progress before cells run.

    A terminal shows one changing line; a pipe gets a line for each step of progress.
    """
    from rich.text import Text

    def show(line: str) -> None:
        if console.is_terminal:
            status.update(Text(line))
            status.start()
        else:
            console.print(line, markup=False, soft_wrap=True)
            console.file.flush()

    status = console.status("")
    try:
        yield show
    finally:
        status.stop()


def duration(seconds: float) -> str:
    """Return a time for a reader, such as `4.2 s` or `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def time_left(seconds: float | None) -> str:
    """Return an estimate of the time left for a reader, rounded to its precision.

    Examples are "about 40 s left" and "about 3 min left".
    """
    if seconds is None:
        return "estimating the time left"
    coarse = 10.0 * max(1, math.ceil(seconds / 10)) if seconds < 60 else 60.0 * math.ceil(seconds / 60)
    text = duration(coarse).removesuffix(" 00 s")
    return f"about {text} left"


def outcome(event: CellEnded) -> str:
    """Return a few words on a cell's end: its accuracy, or its status and reason."""
    from moebench.reports.quantities import quantity, written

    title = quantity(event.tested).title
    accuracy = "" if event.accuracy is None else f"{title[:1].lower()}{title[1:]} {written(event.accuracy, 'share')}"
    if event.status == "ok":
        return accuracy or "done"
    return f"{event.status}: {event.reason}" + (f" (other seeds: {accuracy})" if accuracy else "")


@contextmanager
def _lines(console: "Console", pace: Pace) -> Iterator[Watch]:
    """Print a line for each cell that ends, and after a silence the running cells."""
    running: dict[str, Path] = {}
    woken = threading.Event()  # set by a line, and by the end
    over = False

    def say(text: str) -> None:
        later = f", {time_left(pace.seconds_left())}" if pace.ended < pace.total else ""
        console.print(f"[{pace.ended}/{pace.total}] {text}{later}", markup=False, soft_wrap=True)
        console.file.flush()

    def remind() -> None:
        while not over:
            if woken.wait(SILENCE_S):
                woken.clear()
            elif cells := dict(running):
                doing = last_line(next(iter(cells.values()))) if len(cells) == 1 else ""
                say("running: " + ": ".join(filter(None, [", ".join(cells), doing])))

    def watch(event: CellStarted | CellEnded) -> None:
        label = event.planned.label
        if isinstance(event, CellStarted):
            running[label] = event.log
            return
        running.pop(label, None)
        pace.end_one()
        say(f"{label}: {outcome(event)}, {duration(event.seconds)}")
        woken.set()

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield watch
    finally:
        over = True
        woken.set()
        reminder.join()


@contextmanager
def _bar(console: "Console", pace: Pace, width: int) -> Iterator[Watch]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
    from rich.table import Column
    from rich.text import Text

    running: dict[str, Path] = {}
    failed: list[str] = []

    class Times(ProgressColumn):
        """Number of failed cells, time since the start and estimate of the time left."""

        def render(self, task: Task) -> "Text":
            times = f"{duration(task.elapsed or 0.0)}, {time_left(pace.seconds_left())}"
            return Text(f"{len(failed)} failed, " if failed else "", style="red").append(times, style="dim default")

    class Running(ProgressColumn):
        """The running cells, cut at the width of the terminal.

        A single running cell is shown with its latest log line.
        """

        def render(self, _: Task) -> "Text":
            doing = [last_line(log) for log in running.values()] if len(running) == 1 else []
            if doing and doing[0].startswith(next(iter(running))):  # the cell's own line names the cell
                return Text(doing[0], no_wrap=True, overflow="ellipsis")
            return Text(": ".join([", ".join(running), *filter(None, doing)]), no_wrap=True, overflow="ellipsis")

    columns = (BarColumn(bar_width=16), MofNCompleteColumn(), Times(table_column=Column(no_wrap=True)), Running())
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
        task = progress.add_task("", total=pace.total)

        def watch(event: CellStarted | CellEnded) -> None:
            label = event.planned.label
            if isinstance(event, CellStarted):
                running[label] = event.log
            else:
                del running[label]
                pace.end_one()
                if event.status in FAILED:
                    failed.append(label)
                progress.console.print(_ended_line(event, width))
                progress.advance(task)

        yield watch


def _ended_line(event: CellEnded, width: int) -> "Text":
    from rich.text import Text

    mark, style = {"ok": ("✓", "green"), "diverged": ("~", "yellow")}.get(event.status, ("✗", "red"))
    text = Text().append(f"  {mark} ", style=style).append(f"{event.planned.label:<{width}}  ")
    text.append(outcome(event), style=None if event.status == "ok" else style)
    return text.append(f"  {duration(event.seconds)}", style="dim")
