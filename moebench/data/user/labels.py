"""Convert stored labels to names of classes."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from moebench.data.regular_files import shown
from moebench.errors import BadInput

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_LONGEST_SHOWN = 60


class LabelReader:
    """Converter of one column's or array's labels to names of classes."""

    def __init__(self, where: str, names: Sequence[str] = ()) -> None:
        """Set the names of the numbers.

        Args:
            where: column and file, for messages.
            names: name of each number; empty if numbers have no names.

        Raises:
            BadInput: two numbers have equal names.
        """
        self._where, self._names = where, [clean(name) for name in names]
        twice = [name for name, count in Counter(self._names).items() if count > 1]
        if twice:
            raise BadInput(f"the class '{brief(twice[0])}' occurs twice among the names of {where}.", key="data")
        self.has_bare_numbers = False
        """Whether a number without a name was read."""
        self._known: dict[tuple[type, Any], str | None] = {}

    def read(self, values: Iterable[Any]) -> list[str | None]:
        """Return the name of each value's class, or None for "no label".

        No label are: null, NaN, an empty text, and −1 if numbers have names, as the Hugging Face hub writes it. Whole
        numbers, bools, and floating-point numbers without a fraction are numbers; bytes are UTF-8.

        Raises:
            BadInput: a value is neither a whole number nor a text, or a number has no name although others have.
        """
        return [self._read(value) for value in values]

    def _read(self, value: Any) -> str | None:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        try:
            key = (type(value), value)
            if key not in self._known:
                self._known[key] = self._name(value)
            return self._known[key]
        except TypeError as error:  # a list or a mapping, which cannot be hashed
            raise self._wrong(value) from error

    def _name(self, value: Any) -> str | None:
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                raise BadInput(
                    f"{self._where} holds {brief(repr(value))}, which is no UTF-8 text.", key="data"
                ) from error
        if isinstance(value, str):
            return clean(value) or None
        if isinstance(value, bool):
            return str(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise self._wrong(value)
        if not self._names:
            self.has_bare_numbers = True
            return str(value) if abs(value) < 10**18 else hex(value)
        if value == -1:
            return None
        if not 0 <= value < len(self._names):
            raise BadInput(
                f"{self._where} holds the number {value}, and has names for 0 to {len(self._names) - 1}.", key="data"
            )
        return self._names[value]

    def _wrong(self, value: Any) -> BadInput:
        return BadInput(f"{self._where} holds {brief(repr(value))}: a label is a whole number or a text.", key="data")


def clean(name: str) -> str:
    """Return a class name in Unicode's composed form.

    Names written on macOS then equal the names of other systems.
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # a folder whose name is no UTF-8
        name = shown(name)
    return unicodedata.normalize("NFC", name)


def brief(name: str) -> str:
    """Return a class name for a message: printable and not too long."""
    text = shown(name)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of classes: numbers by their value, then texts."""

    def key(name: str) -> tuple[bool, int, str]:
        number = _NUMBER.fullmatch(name)
        return number is None, int(name) if number else 0, name

    return sorted(set(names), key=key)


def check_minus_one(where: str, names: Iterable[str]) -> None:
    """Raise if −1 occurs beside other numbers than 1.

    In other data, −1 means "no label"; beside other numbers than 1 its meaning is unknown. Labels that are −1 and 1
    alone are two classes.

    Raises:
        BadInput: −1 is ambiguous.
    """
    counts = Counter(names)
    if "-1" in counts and set(counts) - {"-1", "1"}:
        raise BadInput(
            f"{where} has the label -1 in {counts['-1']:,} of {sum(counts.values()):,} images, which often means "
            "'no label': leave these images out, or number the classes from 0.",
            key="data",
        )
