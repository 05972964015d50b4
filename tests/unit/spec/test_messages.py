"""Sentences about values that a model refuses: one for every kind of constraint, in our words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import build_spec
from moebench.spec.messages import describe, first_mistake, in_words
from moebench.suites import published_costs_file, suite_file

MODELS = {"cell": CellSpec, "suite": suite_file.SuiteFile, "counting": published_costs_file._File}
WRONG_TYPES: tuple[Any, ...] = ("a text", 3, 2.5, True, None, [], [object()], {}, {"a": object()}, {3: 3}, object())
FOREIGN = (
    "Input should",
    "Value error",
    "valid",
    "regex",
    "pattern",
    "literal",
    "dictionary",
    "instance",
    "pydantic",
    "invalid",
)


def of_schema(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[Any]:
    """Values that a constraint of the schema refuses, one for each constraint."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].split("/")[-1]]
    for inner in schema.get("anyOf", ()):
        yield from of_schema(inner, definitions)
    for key, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
        if key in schema:
            yield schema[key] + step
    if "enum" in schema or "const" in schema:
        yield "none of them"
    for key, empty in (("minLength", ""), ("minItems", []), ("minProperties", {})):
        if key in schema:
            yield empty
    if "items" in schema:
        yield from ([value] for value in (*of_schema(schema["items"], definitions), *WRONG_TYPES))
    for name, inner in schema.get("properties", {}).items():
        yield from ({name: value} for value in of_schema(inner, definitions))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from ({"params": value} for value in of_schema(schema["additionalProperties"], definitions))
        yield {"no such key": 3}


def cases() -> Iterator[tuple[str, str, Any]]:
    for kind, model in MODELS.items():
        schema = model.model_json_schema()
        for name, inner in schema["properties"].items():
            for value in (*WRONG_TYPES, *of_schema(inner, schema.get("$defs", {}))):
                yield kind, name, value


def test_every_constraint_of_every_key_is_said_in_our_words() -> None:
    refused = 0
    kinds: set[str] = set()
    for kind, name, value in cases():
        model: type[BaseModel] = MODELS[kind]
        try:
            model.model_validate({name: value})
        except ValidationError as error:
            mistakes = [found for found in error.errors(include_context=False) if found["loc"][0] == name]
            if not mistakes:
                continue  # the value is right; other keys are missing
            refused += 1
            kinds |= {found["type"] for found in mistakes}
            alone = ValidationError.from_exception_data("one key", list(_details(error, name)))
            place, sentence = first_mistake(alone, model)
            assert place[0] == name
            assert sentence.endswith((".", "?"))
            assert "\n" not in sentence
            assert not [word for word in FOREIGN if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sentence)], sentence
            assert " should be " in sentence or sentence.startswith(("unknown key '", "the key '"))
    assert refused > 200
    assert {"greater_than_equal", "less_than_equal", "greater_than", "less_than", "literal_error", "too_short"} <= kinds
    assert {"string_type", "int_type", "float_type", "bool_type", "string_too_short", "value_error", "missing"} <= kinds


def _details(error: ValidationError, name: str) -> Iterator[Any]:
    for found in error.errors():
        if found["loc"][0] == name:
            yield {key: found[key] for key in ("type", "loc", "input", "ctx") if key in found}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"warmup": 2}, "'warmup' should be a number of at least 0 and less than 1, not 2."),
        ({"learning_rate": 0.0}, "'learning_rate' should be a number greater than 0, not 0.0."),
        ({"learning_rate": "fast"}, "'learning_rate' should be a number greater than 0, not 'fast'."),
        ({"total_slots": 0}, "'total_slots' should be a whole number from 1 to 1,000,000,000 or 'tokens', not 0."),
        ({"image_size": 2.5}, "'image_size' should be a whole number from 1 to 16,384, not 2.5."),
        (
            {"augment": "cropflip"},
            "'augment' should be 'none', 'crop' or 'crop-flip', not 'cropflip'; did you mean 'crop-flip'?",
        ),
        ({"save_model": "yes"}, "'save_model' should be true or false, not 'yes'."),
        ({"model": True}, "'model' should be a text, not true."),
        ({"steps": None}, "'steps' should be a whole number from 1 to 1,000,000,000, not nothing."),
        ({"moe_layers": True}, "'moe_layers' should be a text, not true."),
    ],
)
def test_a_sentence_says_what_would_be_right(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        build_spec({"router": "soft", **values})
    assert str(raised.value) == sentence
    assert raised.value.key == next(iter(values))


def test_numbers_without_a_fraction_are_whole_numbers() -> None:
    spec = build_spec({"router": "soft", "steps": 1000.0, "batch": 64.0, "total_slots": 16.0, "moe_layers": 2})
    assert (spec.steps, spec.batch, spec.total_slots, spec.moe_layers) == (1000, 64, 16, "2")
    assert type(spec.steps) is int


def test_an_alternative_of_nothing_goes_without_saying() -> None:
    assert in_words({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}) == "a whole number of at least 1"
    assert (
        in_words({"type": "string", "minLength": 1, "maxLength": 9})
        == "a text of at most 9 characters and that is not empty"
    )


def test_a_value_is_shown_short_and_printable() -> None:
    shown = [describe(value) for value in (None, True, [1], (1,), {}, 2.5, "\x1b[31mred", "x" * 10_000)]
    assert shown[:7] == ["nothing", "true", "a list", "a list", "a mapping", "2.5", "'\\x1b[31mred'"]
    assert shown[7] == f"'{'x' * 57}...'"
