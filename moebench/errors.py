"""Mistakes of users, each in one sentence with the nearest known name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 24
"""Most names in a sentence; a longer list is cut, and its length given."""
_SHOWN = 60
"""Most characters of a name or a value inside a sentence."""
_LONGEST_WORD = 240
"""Most characters of a word; longer than any path in use."""
_LONGEST_TEXT = 4_000

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""Characters that control a terminal, turn the direction of writing or are invisible, and surrogates, which no file can
contain. Tabs and line breaks are not among them.
"""


class BadInput(ValueError):
    """A mistake in the user's input; its text is one sentence that needs no traceback.

    The text is safe to print: control characters are escaped, and overlong words and texts are cut.

    Args:
        message: what is wrong, where, and what would be right.
        key: the option at fault if there is one, so that a suite can point to its line.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(concise(printable(message)))
        self.key = key


def printable(text: str) -> str:
    """Return a text with escaped control characters, for any output."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shortened(text: str, most: int = _SHOWN) -> str:
    """Return a text of at most `most` characters, printable on one line."""
    text = printable(text[: 4 * most]).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= most else text[: most - 3] + "..."


def unknown(
    kind: str, name: str, known: Iterable[str], *, of: str = "", listing: str = "", key: str | None = None
) -> BadInput:
    """Return the error for an unknown name, with a hint at known names.

    The hint is the nearest known name, the names that contain the unknown one, or all names.

    Args:
        kind: kind of the name, such as an option.
        name: the name as given.
        known: the names that exist.
        of: owner of the names, such as a router.
        listing: the command that lists the names, if they are too many for a sentence.
        key: as in `BadInput`.
    """
    names = sorted(set(known), key=_as_read)
    # Longer than any known name: the search for a near one would take minutes for a text of megabytes.
    given = name.lower()[:200]
    near = get_close_matches(given, names, n=1, cutoff=0.6)
    longer = [each for each in names if given and given in each]
    if near:
        hint = f"did you mean '{shortened(near[0])}'?"
    elif longer:
        hint = f"did you mean {' or '.join(longer)}?" if len(longer) < 3 else f"did you mean one of {_some(longer)}?"
    else:
        hint = f"`{listing}` says what there is." if listing else f"known are: {_some(names)}."
    return BadInput(f"unknown {kind} '{shortened(name)}'{f' of {of}' if of else ''}: {hint}", key=key)


def _as_read(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers within names by value: 2, 4, 16."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d{1,9})", name)]


def _some(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(map(shortened, names[:_LISTED])) + (f" and {more} more" if more > 0 else "")


def concise(text: str) -> str:
    """Return a text with overlong words cut in the middle.

    A name of 10 kB is an overlong word.
    """
    text = re.sub(
        rf"\S{{{_LONGEST_WORD + 1},}}", lambda found: f"{found[0][: _LONGEST_WORD - 40]}[...]{found[0][-35:]}", text
    )
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 5] + "[...]"
