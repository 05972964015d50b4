"""What a user can get wrong, said in one sentence with the nearest known name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 24
"""Names that a sentence can hold; of more the first are told, and how many there are."""


class BadInput(ValueError):
    """A mistake in what the user gave; its text is one sentence that needs no traceback.

    `key` names the option at fault where there is one, so that a suite can point to its line.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def unknown(
    kind: str, name: str, known: Iterable[str], *, of: str = "", listing: str = "", key: str | None = None
) -> BadInput:
    """An unknown name, with the nearest known one, or those that have it in them, or else all of them.

    Args:
        kind: what it should be the name of, such as an option.
        name: as it was given.
        known: the names that there are.
        of: what has these names, such as a router.
        listing: the command that lists them, where they are too many for a sentence.
        key: as in `BadInput`.
    """
    names = sorted(set(known), key=_as_read)
    near = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    longer = [each for each in names if name and name.lower() in each]
    if near:
        hint = f"did you mean '{near[0]}'?"
    elif longer:
        hint = f"did you mean {' or '.join(longer)}?" if len(longer) < 3 else f"did you mean one of {_some(longer)}?"
    else:
        hint = f"`{listing}` says what there is." if listing else f"known are: {_some(names)}."
    return BadInput(f"unknown {kind} '{name}'{f' of {of}' if of else ''}: {hint}", key=key)


def _as_read(name: str) -> list[tuple[int, str]]:
    """Sorts numbers within names by what they are: 2, 4, 16."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
