"""A finding of a check."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """A violation: the check that found it, and a sentence about it."""

    check: str
    what: str
