"""The output of `moebench list`: the names of each kind, with a line about each."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moebench.results.schema import Column

KINDS = {
    "routers": "Routing strategies, also those of installed packages and of --plugin.",
    "suites": "Suites that come with moebench, with their questions.",
    "models": "Vision transformers by size and patch, and models by their published names.",
    "datasets": "Data sets that need no download, and how to name your own.",
    "columns": "Columns of the result table, with units.",
    "keys": "Keys of a suite file, with types and defaults.",
}


def _suites() -> Iterator[tuple[str, str]]:
    from moebench.suites import find

    for name in find.shipped():
        yield name, find.find(name).question


def _columns() -> Iterator[tuple[str, str]]:
    from moebench.results.schema import COLUMNS

    return map(_column_line, COLUMNS)


def routing_columns() -> Iterator[tuple[str, str]]:
    """Yield the name and a line of each column of routing recordings."""
    from moebench.inside.schema import ROUTING_COLUMNS

    return map(_column_line, ROUTING_COLUMNS)


def _column_line(column: "Column") -> tuple[str, str]:
    """Return the name of a column, and its type, unit and meaning."""
    unit = f" [{column.unit}]" if column.unit else ""
    kind = str(column.type)
    if "struct" in kind:
        kind = "list<struct>"
    elif kind.startswith("dictionary"):  # a way to store texts, which readers see as texts
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


LISTS: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "routers": _routers,
    "suites": _suites,
    "models": _models,
    "datasets": _datasets,
    "columns": _columns,
    "keys": _keys,
}
"""The names of each kind, with a line about each."""
