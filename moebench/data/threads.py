"""Map a function over items in threads, in order.

The number of results that are made in advance is bounded.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(function: Callable[[A], B], items: Iterable[A], threads: int | None = None) -> Generator[B, None, None]:
    """Yield `function` of each item in order, computed by threads.

    Threads help functions that release the interpreter lock most of the time, such as decoding and hashing. At most two
    items for each thread are taken ahead of the results.

    Args:
        function: applied to each item; its exception is raised where its result is due.
        items: taken one by one in the calling thread.
        threads: number of threads; None takes one for each processor.
    """
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
