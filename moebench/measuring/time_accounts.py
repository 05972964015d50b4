"""Accounts of a cell's time, which add up to its wall time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNTS = (
    "compile_s",
    "dense_compile_s",
    "warmup_s",
    "timed_s",
    "tuning_s",
    "training_s",
    "evaluation_s",
    "test_time_s",
    "recording_s",
    "pretrain_s",
    "few_shot_s",
    "waiting_s",
)


class Accounts:
    """A clock that starts with its construction, and the accounts of its seconds."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seconds = dict.fromkeys(ACCOUNTS, 0.0)
        self._open: list[str] = []
        self._since = self._began

    @contextmanager
    def spending(self, account: str) -> Iterator[None]:
        """Add the seconds of a block to an account.

        Blocks may be nested: the seconds of the inner block belong to the inner account alone.
        """
        self._switch()
        self._open.append(account)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def _switch(self) -> None:
        """Add the seconds since the last switch to the innermost open account."""
        now = time.perf_counter()
        if self._open:
            self.add(self._open[-1], now - self._since)
        self._since = now

    def add(self, account: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere to an account."""
        self._seconds[account] += seconds

    def columns(self) -> dict[str, float]:
        """Return the accounts so far, with `other_s`, `cell_wall_s` and `timing_wall_s`.

        `other_s` is the time in none of the accounts, and `cell_wall_s` the sum. `timing_wall_s` is the sum of
        `warmup_s` and `timed_s`.
        """
        wall = time.perf_counter() - self._began
        timing = self._seconds["warmup_s"] + self._seconds["timed_s"]
        other = wall - sum(self._seconds.values())
        return {**self._seconds, "other_s": other, "cell_wall_s": wall, "timing_wall_s": timing}
