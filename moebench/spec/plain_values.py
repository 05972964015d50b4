"""Plain values in suites and on the command line, as a reader expects them.

YAML 1.1 reads `1e3` as a text, `012` as ten, `1:30` as ninety, `no` as false and `2024-01-01` as a date. Here numbers
are decimal, only the words `true`, `false` and `null` have a special meaning, and every other value is a text.
"""

import math
import re

from moebench.errors import BadInput, shortened

Plain = str | int | float | bool | None

_WORDS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"[-+]?\d[\d_]*")
_LEADING_ZERO = re.compile(r"[-+]?0[\d_]+")
_OTHER_BASE = re.compile(r"[-+]?0(?:x[\da-fA-F_]+|o[0-7_]+|b[01_]+)")
_FRACTION = re.compile(r"[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_WHOLE = 2**63 - 1
_MAX_EXACT = 2.0**53
"""Largest number up to which every whole number is a float."""


def plain_value(text: str) -> Plain:
    """Return the value of an unquoted text.

    16 and 1e3 are whole numbers, 1e-3 is a number, and soft is a text.

    Raises:
        BadInput: the number is not finite, too large, or decimal for some readers and octal for others.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not text.isascii() or text[0] not in "+-.0123456789":
        return text
    if _LEADING_ZERO.fullmatch(text):
        raise BadInput(
            f"'{shortened(text)}' begins with a zero, which some readers take for an octal number: leave the zero out, "
            "or write the text in quotes."
        )
    if _WHOLE.fullmatch(text) or _OTHER_BASE.fullmatch(text):
        return _whole(text)
    if _FRACTION.fullmatch(text):
        return _number(text)
    if _NOT_FINITE.fullmatch(text):
        raise BadInput(f"{text} is not a finite number.")
    return text


def whole(value: object) -> object:
    """Return a number without a fraction as a whole number.

    1000.0 becomes 1000; every other value is returned as given.
    """
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT else value


def _whole(text: str) -> int:
    digits = text.replace("_", "")
    # Python refuses to read more than 4,300 digits, and no key needs more than 19.
    value = int(digits, 0) if len(digits) <= 70 else _MAX_WHOLE + 1
    if abs(value) > _MAX_WHOLE:
        raise BadInput(f"{shortened(text, 30)} is too large a number.")
    return value


def _number(text: str) -> int | float:
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        raise BadInput(f"{shortened(text, 30)} is not a finite number.")
    # 1e3 looks like a whole number, 1000.0 does not.
    return int(value) if "e" in text.lower() and value.is_integer() and abs(value) <= _MAX_EXACT else value
