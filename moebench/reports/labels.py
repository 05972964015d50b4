"""Name cells for readers, as briefly as sets them apart, in the notation of the command line."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from moebench.results.schema import in_section

LONGEST = 60
_SETTING = ("model", "data", "device_kind")
# Slots follow from a capacity factor, which names a cell better.
_INPUTS = tuple(each.name for each in sorted(in_section("label"), key=lambda each: each.unit == "slots"))


def cell_labels(cells: pd.DataFrame) -> "pd.Series[str]":
    """Return a label for each row of a frame with one row a cell: `dense`, `soft[experts=16]`.

    All labels of a suite name the same keys, those by which cells of one router differ: inputs and options inside the
    brackets; model, data, device and, if there are several, the suite behind them, `soft[experts=16] · ti/16`. A key
    is left out for routers without a value, and for dense if all dense cells have the same. If no key is needed,
    experts are named; if no key suffices, the cell's hash follows.
    """
    suites = cells["suite"] if "suite" in cells else pd.Series([""] * len(cells), index=cells.index)
    groups = cells.groupby(suites, dropna=False, sort=False)
    labels = []
    for suite, group in groups:
        behind = f" · {suite}" if groups.ngroups > 1 else ""
        labels.append(
            pd.Series([f"{label}{behind}" for label in _of_one_suite(group)], index=group.index, dtype=object)
        )
    return pd.concat(labels).reindex(cells.index).astype(str)


def _of_one_suite(cells: pd.DataFrame) -> list[str]:
    columns = _columns(cells)
    routers = cells["router"].astype(str).tolist()
    chosen = _apart(routers, columns)
    if not set(chosen) - {*_SETTING} and "experts" in columns:
        chosen.insert(0, "experts")
    named = {router: _named(router, routers, chosen, columns) for router in set(routers)}
    labels = []
    for place, router in enumerate(routers):
        inside = [f"{key}={columns[key][place] or 'none'}" for key in named[router]]
        behind = [columns[key][place] or "none" for key in chosen if key in _SETTING]
        labels.append(" · ".join([f"{router}[{','.join(inside)}]" if inside else router, *behind]))
    count = Counter(labels)
    hashes = [f" #{str(cell)[:8]}" for cell in cells["cell_id"]]
    return [label + (hashed if count[label] > 1 else "") for label, hashed in zip(labels, hashes, strict=True)]


def _named(
    router: str, routers: Sequence[str], chosen: Sequence[str], columns: dict[str, list[str | None]]
) -> list[str]:
    """Return the keys inside the brackets of a router: those with a value, and for dense those that vary."""
    places = [place for place, of in enumerate(routers) if of == router]
    values = {key: {columns[key][place] for place in places} for key in chosen if key not in _SETTING}
    return [key for key, found in values.items() if (len(found) > 1 if router == "dense" else found != {None})]


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text without its middle if it is longer than a figure can carry."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def _columns(cells: pd.DataFrame) -> dict[str, list[str | None]]:
    """Return what may set cells apart, by its key and in the order in which it is tried."""
    tuned = "tuned" in cells and cells["tuned"].notna().any()
    results = {"learning_rate"} if tuned else set()  # a tuned rate is chosen by the cell, not given to it
    names = [name for name in (*_SETTING, "experts", *_INPUTS) if name in cells and name not in results]
    columns = {name: [_plain(value) for value in cells[name]] for name in names}
    options = [_options(text) for text in cells.get("config", pd.Series([None] * len(cells), index=cells.index))]
    for key in sorted({key for option in options for key in option} - set(columns)):
        columns[key] = [_plain(option.get(key)) for option in options]
    return columns


def _apart(routers: Sequence[str], columns: dict[str, list[str | None]]) -> list[str]:
    """Return the keys, tried in their order, that set all cells of each router apart."""
    chosen: list[str] = []
    groups = list(routers)
    for key, values in columns.items():
        if len(set(groups)) == len(groups):
            break
        finer = [f"{group}\n{value}" for group, value in zip(groups, values, strict=True)]
        if len(set(finer)) > len(set(groups)):
            chosen.append(key)
            groups = finer
    return chosen


def _options(config: object) -> dict[str, Any]:
    """Return the router's options out of a row's `config`; none if the text is no JSON object."""
    try:
        options = json.loads(config).get("options", {}) if isinstance(config, str) else {}
    except (ValueError, AttributeError):
        return {}
    return options if isinstance(options, dict) else {}


def _plain(value: Any) -> str | None:
    """Return a value as text; None if there is none."""
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
