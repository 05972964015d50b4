"""The output of `moebench show` about a name, line by line."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator

_OPTIONS = "\noptions, with their defaults, as written in brackets or in a suite:\n"


def _describe_suite(name: str) -> Iterator[str]:
    from moebench.suites import find

    path = find.shipped()[name]
    yield f"suite {name}, {path}\n"
    yield path.read_text(encoding="utf-8").rstrip()


def _describe_column(name: str) -> Iterator[str]:
    from moebench.results.schema import COLUMNS, TEST_TIME_FIELDS
    from moebench.spec import timing_flags

    column = next(column for column in COLUMNS if column.name == name)
    yield f"column {name} of the result table\n"
    yield f"{column.title}: {column.meaning}"
    if "struct" in str(column.type):
        yield "\nfields of each setting:"
        for field in TEST_TIME_FIELDS:
            unit = f" [{field.unit}]" if field.unit else ""
            yield f"  {field.name:<26} {field.type}{unit}  {field.meaning}"
        return
    yield f"type {column.type}, unit {column.unit or 'none'}, group {column.group}"
    if name == "timing_flags":
        yield "\nflags, each behind the name of what was timed, as in training:noisy:"
        for flag, meaning in timing_flags.MEANINGS.items():
            yield f"  {flag:<14}{meaning}"


def _describe_key(name: str) -> Iterator[str]:
    from moebench.suites.keys import suite_keys

    key = next(key for key in suite_keys() if key.name == name)
    yield f"key {name} of a {key.where}\n"
    yield key.meaning
    yield f"value {key.kind}, default {key.default}" if key.default else f"value {key.kind}, must be given"


def _describe_router(name: str) -> Iterator[str]:
    import inspect
    import json

    from moebench import routers

    text = inspect.getdoc(routers.find(name)) or ""
    yield f"router {name}\n"
    yield text
    papers = dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", text))
    for place, paper in enumerate(papers):
        yield f"{'' if place else chr(10)}paper: https://arxiv.org/abs/{paper}"
    texts = routers.explanations(name)
    for place, (option, default) in enumerate(routers.options(name).items()):
        given = "must be given" if default is inspect.Parameter.empty else json.dumps(default).strip('"')
        yield f"{'' if place else _OPTIONS}  {option:<22} {given}"
        yield from textwrap.wrap(texts.get(option, ""), 76, initial_indent="    ", subsequent_indent="    ")


def describe_slots(cell: str, image_size: int | None, **given: str | int | None) -> Iterator[str]:
    """Yield the capacity of a router with its options, by the result table's columns.

    Args:
        cell: a router with its options, `router[key=value,…]`.
        image_size: pixels of a side; None takes the model's own size.
        given: keys of a cell, which replace those in the brackets; None leaves a key as it is.

    Raises:
        BadInput: the router, an option or the model is unknown, or they do not fit each other.
    """
    from moebench.cells import count
    from moebench.measuring import padding
    from moebench.reports.quantities import written
    from moebench.spec.cell_spec import CellSpec
    from moebench.spec.entry import build_spec, parse_cell

    entry = {"model": CellSpec.model_fields["model"].default, **parse_cell(cell)}
    entry |= {key: value for key, value in given.items() if value is not None}
    found = count.resolved(build_spec(count.completed(entry)), image_size)
    model, inputs = found.model, found.inputs
    images = "1 image" if model.group_images == 1 else f"{model.group_images} images"
    yield f"router {found.label} in {inputs['model']}, {model.image_size} × {model.image_size} pixels"
    yield f"each group: {images}, {model.group_images * model.tokens} tokens\n"
    names = ("eval_slots_per_expert", "eval_total_slots")
    differs = inputs["eval_total_slots"] != inputs["total_slots"]
    evaluation = {name: str(inputs[name]) for name in names} if differs else {}
    rows = {
        "slots_per_expert": str(inputs["slots_per_expert"]),
        "total_slots": str(inputs["total_slots"]),
        "effective_capacity_factor": f"{inputs['effective_capacity_factor']:.3f}",
        **evaluation,
        "padding": f"{written(padding(model, found.router), 'share')} of the experts' rows stay empty at least",
    }
    for name, value in rows.items():
        yield f"{name:<26} {value}"


def describe_model(name: str) -> Iterator[str]:
    """Yield the lines about a backbone or a published model."""
    from moebench import models

    shown = models.describe(name)  # first, because it raises for unknown models
    yield f"model {name}\n"
    yield shown


def describe_dataset(name: str) -> Iterator[str]:
    """Yield the lines about a data set."""
    from moebench import data

    source = data.find(name)
    shown = source.describe()  # first, because it raises for unreadable data sets
    yield f"data set {source.name}\n"
    yield shown


OF_TABLES = ("columns", "keys")
"""Kinds that share some names, such as steps."""
DESCRIPTIONS: dict[str, Callable[[str], Iterable[str]]] = {
    "suites": _describe_suite,
    "columns": _describe_column,
    "keys": _describe_key,
    "routers": _describe_router,
    "models": describe_model,
    "datasets": describe_dataset,
}
"""Descriptions of the names of each kind; kinds that need no jax come first."""
