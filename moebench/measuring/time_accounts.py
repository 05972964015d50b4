"""Where the time of a cell went: separate accounts that add up to its wall time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNTS = (
    "compile_s",
    "dense_compile_s",
    "warmup_s",
    "timed_s",
    "training_s",
    "evaluation_s",
    "test_time_s",
    "pretrain_s",
    "few_shot_s",
)


class Accounts:
    """A clock that runs from its making on, and what its time was spent on."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._seconds = dict.fromkeys(ACCOUNTS, 0.0)
        self._open: str | None = None

    @contextmanager
    def spending(self, account: str) -> Iterator[None]:
        """Whatever happens inside is put down to this account; one is open at a time, or time would count twice."""
        if self._open is not None:
            raise RuntimeError(f"the account {account} was opened while {self._open} was open")
        self._open, began = account, time.perf_counter()
        try:
            yield
        finally:
            self.add(account, time.perf_counter() - began)
            self._open = None

    def add(self, account: str, seconds: float) -> None:
        """Put down seconds that were measured elsewhere."""
        self._seconds[account] += seconds

    def columns(self) -> dict[str, float]:
        """The accounts so far, `other_s` for what is in none of them, and `cell_wall_s`, their sum."""
        wall = time.perf_counter() - self._began
        timing = self._seconds["warmup_s"] + self._seconds["timed_s"]
        rest = wall - sum(self._seconds.values())
        return {**self._seconds, "other_s": rest, "cell_wall_s": wall, "timing_wall_s": timing}
