"""What pydantic found wrong, said in our words."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from moebench.errors import unknown

_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "list_type": "a list",
    "tuple_type": "a list",
}


def first_mistake(error: ValidationError, known: Iterable[str]) -> tuple[tuple[str | int, ...], str]:
    """The first thing that is wrong: where it stands, and a sentence about it.

    An unknown key comes first, since a missing one is often the same key misspelt. `known` are the keys that
    the model has, for the nearest name.
    """
    mistakes = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    mistake = mistakes[0]
    place = mistake["loc"]
    if mistake["type"] == "extra_forbidden":
        return place, str(unknown("key", str(place[-1]), known))
    if mistake["type"] == "missing":
        return place[:-1], f"the key '{place[-1]}' is missing."
    # A key that may be of several types reports once for each: "a whole number or 'tokens'".
    same = [found for found in mistakes if found["loc"][:-1] == place[:-1] and found["input"] is mistake["input"]]
    if len(same) > 1:
        place = place[:-1]
    wanted = " or ".join(dict.fromkeys(_wanted(found) for found in same))
    return place, f"{_name(place)} should be {wanted}, not {describe(mistake['input'])}."


def _name(place: tuple[str | int, ...]) -> str:
    last = place[-1]
    return f"'{last}'" if isinstance(last, str) else f"item {last + 1} of '{place[-2]}'"


def describe(value: Any) -> str:
    """A value as it is shown in a message, cut to a readable length."""
    shown = {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value)) or repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _wanted(mistake: ErrorDetails) -> str:
    if mistake["type"] in _WANTED:
        return _WANTED[mistake["type"]]
    message = mistake["msg"]
    for opening in ("Input should be ", "Value error, "):
        message = message.removeprefix(opening)
    return message
