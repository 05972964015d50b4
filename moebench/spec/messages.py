"""Turn the first error of a typed model into one sentence.

The sentence gives the accepted values from the model's schema.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from moebench.errors import BadInput, shortened, unknown

Place = tuple[str | int, ...]
"""Path of a value in the validated data."""

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "greater than {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "of at most {} characters",
    "maxItems": "of at most {} items",
}
_NOT_EMPTY = ("minLength", "minItems", "minProperties")


def first_mistake(
    error: ValidationError, model: type[BaseModel] | TypeAdapter[Any], keys: Iterable[str] = ()
) -> tuple[Place, str]:
    """Return the place of the first mistake, and a sentence about it.

    An unknown key goes first: a missing key is often the unknown key misspelt.

    Args:
        error: the error that the model raised.
        model: the model, or an adapter of another type.
        keys: names that an unknown key may have been meant as; an empty sequence: the keys of the model.
    """
    mistakes = sorted(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    mistake = mistakes[0]
    place, kind, given = mistake["loc"], mistake["type"], mistake["input"]
    schema = model.json_schema() if isinstance(model, TypeAdapter) else model.model_json_schema()
    if kind == "extra_forbidden":
        _, around = _find(schema, place[:-1])
        return place, str(unknown("key", str(place[-1]), keys or around.get("properties", {})))
    if kind == "missing":
        return place[:-1], f"the key '{shortened(str(place[-1]))}' is missing."
    if kind == "value_error" and isinstance(own := mistake.get("ctx", {}).get("error"), BadInput):
        return _find(schema, place)[0], str(own)
    if place and place[-1] == "[key]":
        _, around = _find(schema, place[:-2])
        known = around.get("propertyNames", {}).get("enum", ())
        return place[:-1], str(unknown("key", str(place[-2]), known))
    place, wanted = _find(schema, place)
    near = get_close_matches(given[:100].lower(), _choices(wanted), 1) if isinstance(given, str) else []
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return place, f"{_name(place)} should be {in_words(wanted)}, not {describe(given)}{hint}"


def in_words(schema: Mapping[str, Any]) -> str:
    """Return the accepted values of a JSON schema in words.

    An example is "a whole number of at least 1 or 'tokens'".
    """
    options = schema.get("anyOf", ())
    if options:
        # null means that the key is left out, so that the sentence omits null.
        return " or ".join(dict.fromkeys(in_words(each) for each in options if each.get("type") != "null"))
    if choices := _choices(schema):
        quoted = [f"'{choice}'" for choice in choices]
        return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
    words = _TYPES[schema["type"]]
    bounds = [text.format(f"{schema[name]:,}") for name, text in _BOUNDS.items() if name in schema]
    if "minimum" in schema and "maximum" in schema:
        bounds = [f"from {schema['minimum']:,} to {schema['maximum']:,}"]
    if any(schema.get(name, 0) > 0 for name in _NOT_EMPTY):
        bounds.append("that is not empty")
    return " ".join(filter(None, [words, " and ".join(bounds)]))


def describe(value: Any) -> str:
    """Return a value as messages show it, cut to a readable length."""
    if isinstance(value, bool):
        return str(value).lower()
    named = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}.get(type(value))
    if isinstance(value, str):
        return f"'{shortened(value)}'"
    return named or shortened(repr(value))


def _find(schema: Mapping[str, Any], place: Place) -> tuple[Place, Mapping[str, Any]]:
    """Return the place of a value, and the schema of the value.

    The place omits the names of union branches.
    """
    definitions = schema.get("$defs", {})
    found: Place = ()
    for part in place:
        properties = schema.get("properties", {})
        inside = _item(schema, part) if isinstance(part, int) else properties.get(part)
        if inside is None and isinstance(part, str) and isinstance(schema.get("additionalProperties"), dict):
            inside = schema["additionalProperties"]
        if inside is None:
            break
        schema, found = inside, (*found, part)
        if "$ref" in schema:
            schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return found, schema


def _item(schema: Mapping[str, Any], index: int) -> Any:
    """Return the schema of an item of a list or of a tuple.

    The items of a tuple may differ.
    """
    items = schema.get("prefixItems", ())
    return items[index] if index < len(items) else schema.get("items")


def _choices(schema: Mapping[str, Any]) -> list[str]:
    """Return the accepted texts of a value; an empty list if any text is accepted."""
    inside = [choice for each in schema.get("anyOf", ()) for choice in _choices(each)]
    return [*inside, *map(str, schema.get("enum", ())), *([str(schema["const"])] if "const" in schema else [])]


def _name(place: Place) -> str:
    if not place:
        return "the whole"
    last = place[-1]
    return f"'{shortened(last)}'" if isinstance(last, str) else f"item {last + 1} of '{place[-2]}'"
