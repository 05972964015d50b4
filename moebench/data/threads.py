"""Work that several processors share, in order and without running far ahead of whoever takes the results."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(function: Callable[[A], B], items: Iterable[A], threads: int | None = None) -> Generator[B, None, None]:
    """`map` by threads, one for each processor, for functions that leave the interpreter free most of the time."""
    count, waiting = threads or processors(), iter(items)
    with ThreadPoolExecutor(count) as pool:
        running: deque[Future[B]] = deque(pool.submit(function, item) for item in islice(waiting, 2 * count))
        try:
            while running:
                result = running.popleft().result()
                running.extend(pool.submit(function, item) for item in islice(waiting, 1))
                yield result
        finally:
            for future in running:
                future.cancel()
