"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """Something that does not hold: the check that found it, and a sentence about it."""

    check: str
    what: str
