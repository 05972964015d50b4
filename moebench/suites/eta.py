"""Estimate the time that a run still takes, from the cells that have ended."""

import time
from dataclasses import dataclass


@dataclass
class Pace:
    """The clock of a run of `total` cells."""

    total: int
    ended: int = 0
    began: float = 0.0
    last_end: float = 0.0

    def start(self) -> None:
        """Start the clock."""
        self.began = time.monotonic()

    def end_one(self) -> None:
        """Count one more cell that has ended."""
        self.ended += 1
        self.last_end = time.monotonic()

    def seconds_left(self) -> float | None:
        """Return the estimated seconds until the run ends; None before the first cell has ended."""
        if not self.ended:
            return None
        whole = (self.last_end - self.began) / self.ended * self.total
        return max(0.0, whole - (time.monotonic() - self.began))
