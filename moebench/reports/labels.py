"""Names of cells for readers: as short as tells them apart, in the notation of the command line."""

import json
from collections.abc import Hashable
from typing import Any

import pandas as pd

from moebench.results.schema import in_section

LONGEST = 60
_SETTING = ("model", "data", "device_kind", "suite")
# Slots follow from a capacity factor, which names a cell better.
_OPTIONS = tuple(each.name for each in sorted(in_section("label"), key=lambda each: each.unit == "slots"))


def cell_labels(cells: pd.DataFrame) -> "pd.Series[str]":
    """A label for each row of a frame with one row a cell: `dense`, `soft[experts=16]`.

    Where several cells have the same router and experts, what else sets them apart follows: model, data and device
    behind the brackets, `soft[experts=16] · ti/16`; then, inside them, columns of the table, options of the router,
    and at last the cell's hash.
    """
    labels = pd.Series([""] * len(cells), index=cells.index, dtype=object)
    for _, group in cells.groupby(["router", "experts"], dropna=False):
        settings = _telling_apart(group)
        for row, router, experts in zip(group.index, group["router"], group["experts"], strict=True):
            inside = [] if router == "dense" or pd.isna(experts) else [f"experts={int(experts)}"]
            inside += [f"{key}={_plain(value)}" for key, value in settings[row].items() if key not in _SETTING]
            behind = [_plain(value) for key, value in settings[row].items() if key in _SETTING]
            labels[row] = " · ".join([f"{router}[{','.join(inside)}]" if inside else str(router), *behind])
    return labels.astype(str)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text with its middle left out where it is longer than a figure can carry."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def _telling_apart(group: pd.DataFrame) -> dict[Hashable, dict[str, Any]]:
    """For each row the settings in which the group's rows differ, just as many as make the rows distinct."""
    settings: dict[Hashable, dict[str, Any]] = {row: {} for row in group.index}
    if len(group) == 1:
        return settings
    columns = {key: group[key].tolist() for key in (*_SETTING, *_OPTIONS) if key in group}
    options = [_options(text) for text in group.get("config", pd.Series([None] * len(group)))]
    for key in sorted({key for option in options for key in option} - set(columns)):
        columns[key] = [option.get(key) for option in options]
    columns["cell"] = [str(cell)[:8] for cell in group["cell_id"]]
    for key, values in columns.items():
        distinct = {repr(list(chosen.items())) for chosen in settings.values()}
        if len(distinct) == len(group):
            break
        if len({_plain(value) for value in values}) > 1:
            for row, value in zip(group.index, values, strict=True):
                settings[row][key] = value
    return settings


def _options(config: object) -> dict[str, Any]:
    """The router's options out of a row's `config`; none where that is no JSON object."""
    try:
        options = json.loads(config).get("options", {}) if isinstance(config, str) else {}
    except (ValueError, AttributeError):
        return {}
    return options if isinstance(options, dict) else {}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return "none" if pd.isna(value) else f"{value:g}"
    return "none" if value is None or value is pd.NA else str(value)
