"""The commands that tell what there is: `list`, `show` and `env`."""

import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moebench.cli import options
from moebench.errors import BadInput, unknown

if TYPE_CHECKING:
    from moebench.results.schema import Column

_OPTIONS = "\noptions, with their defaults, as they stand in brackets or in a suite:\n"
_VARIABLES = ("JAX_", "XLA_", "MOEBENCH_", "CUDA_VISIBLE", "NVIDIA_TF32", "LIBTPU_", "OMP_NUM_")
"""Beginnings of the environment variables that change what is measured."""
KINDS = {
    "routers": "Routing strategies, also those of installed packages and of --plugin.",
    "suites": "Suites that come with moebench, with their questions.",
    "models": "Vision transformers by size and patch, and models by their published names.",
    "datasets": "Data sets that need no download, and how to name your own.",
    "columns": "Columns of the result table, with units.",
    "keys": "Keys of a suite file, with types and defaults.",
}


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(metavar=f"[{'|'.join(KINDS)}]", help="What to list; without it, what can be listed."),
    ] = None,
    routing: Annotated[
        bool, typer.Option("--routing", help="With columns: those of routing recordings, not of the result table.")
    ] = False,
    plugins: options.Plugins = None,
) -> None:
    """List names, with a line about each."""
    if kind is None:
        _print_names(KINDS.items())
        return
    if kind not in KINDS:
        raise unknown("kind of list", kind, KINDS)
    if routing and kind != "columns":
        raise BadInput(f"--routing is for `moebench list columns`, not for '{kind}'.")
    options.load_plugins(plugins)
    _print_names(_routing_columns() if routing else _LISTS[kind]())
    if kind == "keys":
        options.say("\nAny other key of a cell is an option of its router: moebench show ROUTER")
    if kind == "routers":
        from moebench import routers

        for broken in routers.broken_packages():
            options.say(f"moebench: left out: {broken}", err=True)


def _print_names(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        options.say(f"{name:<{width}}  {line}".rstrip())


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A router, suite, model, data set, column or key; or router[key=value,…]."),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="SIZE/PATCH", help="The backbone whose tokens are routed; by default mu/2.")
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number, metavar="PIXELS", help="Side of the images; by default the model's own."
        ),
    ] = None,
    group_images: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number, metavar="N", help="Images routed together; by default the router's habit."
        ),
    ] = None,
    plugins: options.Plugins = None,
) -> None:
    """Show everything about one name, or the slots of a router.

    With options in brackets, or a model, a router's slots are shown. They depend on the tokens that are routed
    together, and so on the model, the images, and how many are a group.
    """
    options.load_plugins(plugins)
    if "[" in name or model or image_size or group_images:
        for line in _describe_slots(name, image_size, model=model, group_images=group_images):
            options.say(line)
        return
    known: list[str] = []
    shown = 0
    for kind, describe in _DESCRIPTIONS.items():
        if shown and kind not in _OF_TABLES:
            return
        names = [found for found, _ in _LISTS[kind]()]
        if name in names:
            for line in (*([""] if shown else []), *describe(name)):
                options.say(line)
            shown += 1
        known += names
    if shown:
        return
    # Names beyond those listed: the user's own places, a size at any patch, data sets drawn with any number.
    data = name.startswith((".", "/", "~", "hf:", "fractals-", "domains-", "needles-", "lookup-", "skewed-"))
    if data or "/" in name:
        for line in _describe_dataset(name) if data else _describe_model(name):
            options.say(line)
        return
    raise unknown("name", name, known, listing=f"moebench list {'|'.join(KINDS)}")


def env(
    measure: Annotated[
        bool, typer.Option("--measure", help="Also what the device does at its best: a matrix product, a copy.")
    ] = False,
) -> None:
    """Print what is installed, found, and used by default.

    If JAX cannot start, everything else is printed all the same, and the reason after it.
    """
    from moebench import executors
    from moebench.spec.cell_spec import CellSpec
    from moebench.spec.machine import machine

    trouble: BadInput | None = None
    found: dict[str, Any] = {"device_kind": None, "device_count": None, "platform": None} | machine()
    try:
        with executors.create("local") as placer:
            found |= placer.environment()
    except BadInput as error:
        trouble = error
    except executors.ExecutorError as error:
        trouble = BadInput(str(error))
    of_cell = {key: CellSpec.model_fields[key].default for key in ("model", "data", "steps", "batch")}
    if platform := found["platform"]:
        found["profile of a suite"] = platform if platform == "cpu" else f"{platform}, or gpu where it has no such"
    found["cell of run"] = "{model} on {data}, {steps} steps of {batch} images, seed 0".format(**of_cell)
    found |= {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}
    if measure and trouble is None:
        from moebench.measuring import measure_peak

        peaks = {precision: measure_peak(precision) for precision in ("float32", "bfloat16")}
        found |= {f"{name}_flops_per_s": f"{peak.flops_per_s:.3g}" for name, peak in peaks.items()}
        found["bytes_per_s"] = f"{max(peak.bytes_per_s for peak in peaks.values()):.3g}"
    width = max(map(len, found))
    for key, value in found.items():
        options.say(f"{key:<{width}}  {'–' if value is None else value}")
    if trouble:
        raise trouble


def _suites() -> Iterator[tuple[str, str]]:
    from moebench.suites import find

    for name in find.shipped():
        yield name, find.find(name).question


def _columns() -> Iterator[tuple[str, str]]:
    from moebench.results.schema import COLUMNS

    return map(_column_line, COLUMNS)


def _routing_columns() -> Iterator[tuple[str, str]]:
    from moebench.inside.schema import ROUTING_COLUMNS

    return map(_column_line, ROUTING_COLUMNS)


def _column_line(column: "Column") -> tuple[str, str]:
    """A column's name, and its type, unit and meaning."""
    unit = f" [{column.unit}]" if column.unit else ""
    kind = str(column.type)
    if "struct" in kind:
        kind = "list<struct>"
    elif kind.startswith("dictionary"):  # a way of storing texts, which readers see as texts
        kind = "string"
    return column.name, f"{kind}{unit}  {column.meaning}".rstrip()


def _keys() -> Iterator[tuple[str, str]]:
    from moebench.suites.keys import suite_keys

    for key in suite_keys():
        yield key.name, f"{key.where}: {key.line}"


def _routers() -> Iterator[tuple[str, str]]:
    from moebench import routers

    for name in routers.names():
        yield name, routers.summary(name)


def _models() -> Iterator[tuple[str, str]]:
    from moebench import models

    for name in models.names():
        yield name, models.describe(name)
    yield "SIZE/PATCH", "Any of these sizes with any other patch, in pixels, that divides the images."


def _datasets() -> Iterator[tuple[str, str]]:
    from moebench import data

    for name in data.names():
        yield name, data.describe(name)
    yield "./PATH", f"Your own: {data.READABLE}. {data.DECODED_AS}"
    yield (
        "train=PATH,…",
        "Your own splits, each a path: train, test, perhaps validation; place=PATH,train=NAME,… names those of one.",
    )
    yield "hf:NAME", "A data set of the Hugging Face hub, or hf:NAME:CONFIGURATION; needs moebench[hf]."


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

    told = inspect.getdoc(routers.find(name)) or ""
    yield f"router {name}\n"
    yield told
    papers = dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", told))
    for place, paper in enumerate(papers):
        yield f"{'' if place else chr(10)}paper: https://arxiv.org/abs/{paper}"
    texts = routers.explanations(name)
    for place, (option, default) in enumerate(routers.options(name).items()):
        given = "must be given" if default is inspect.Parameter.empty else json.dumps(default).strip('"')
        yield f"{'' if place else _OPTIONS}  {option:<22} {given}"
        yield from textwrap.wrap(texts.get(option, ""), 76, initial_indent="    ", subsequent_indent="    ")


def _describe_slots(cell: str, image_size: int | None, **given: str | int | None) -> Iterator[str]:
    """The capacity of a router with its options, by the names that it has in the result table.

    Args:
        cell: as a cell is written, `router[key=value,…]`.
        image_size: pixels of a side; None takes the model's own.
        given: keys of a cell, in place of those in the brackets where they are not None.
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


def _describe_model(name: str) -> Iterator[str]:
    from moebench import models

    shown = models.describe(name)  # first, since it refuses what is no model
    yield f"model {name}\n"
    yield shown


def _describe_dataset(name: str) -> Iterator[str]:
    from moebench import data

    source = data.find(name)
    shown = source.describe()  # first, since it refuses what cannot be read
    yield f"data set {source.name}\n"
    yield shown


_LISTS: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "routers": _routers,
    "suites": _suites,
    "models": _models,
    "datasets": _datasets,
    "columns": _columns,
    "keys": _keys,
}
_OF_TABLES = ("columns", "keys")
"""Kinds that have names in common, such as steps."""
# What needs no jax is looked through first.
_DESCRIPTIONS: dict[str, Callable[[str], Iterable[str]]] = {
    "suites": _describe_suite,
    "columns": _describe_column,
    "keys": _describe_key,
    "routers": _describe_router,
    "models": _describe_model,
    "datasets": _describe_dataset,
}
