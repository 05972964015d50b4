"""What a user can get wrong, said in one sentence with the nearest known name."""

from collections.abc import Iterable
from difflib import get_close_matches


class BadInput(ValueError):
    """A mistake in what the user gave; its text is one sentence that needs no traceback.

    `key` names the option at fault where there is one, so that a suite can point to its line.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def unknown(kind: str, name: str, known: Iterable[str], *, key: str | None = None) -> BadInput:
    """An unknown name, with the nearest known one, or all of them where none is near."""
    names = sorted(known)
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(names)}."
    return BadInput(f"unknown {kind} '{name}': {hint}", key=key)
