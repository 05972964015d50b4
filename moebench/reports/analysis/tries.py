"""Unfold the tries of tuning: each try's validation loss and accuracy.

There is one row for each cell and try.
"""

import json
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results
from moebench.results.selection import config_of

COLUMNS = ("cell", "key", "value", "others", "loss", "accuracy", "chosen", "at_edge")


def tries(results: Results) -> pd.DataFrame:
    """Return the tries of tuning, one row for each cell and combination of hyperparameters.

    Args:
        results: the rows and cells.

    Returns:
        `cell` (its position among `results.cells`); `key`, the tuned key with the most values, and its `value`;
        `others`, the values of further tuned keys as text; `loss` and `accuracy` on the validation split, NaN for a
        try that diverged; `chosen`; and `at_edge`, whether the chosen value lies at an edge of its grid, so that a
        better one may lie beyond.

    Raises:
        BadInput: no cell was tuned.
    """
    found = []
    for place, cell in enumerate(results.cells.to_dict("records")):
        found += _of_cell(place, cell)
    if not found:
        raise BadInput("no tries to show: no cell of these results was tuned; the key tune does it.")
    return pd.DataFrame(found, columns=COLUMNS).astype({"loss": float, "accuracy": float})


def _of_cell(place: int, cell: Mapping[Hashable, Any]) -> list[tuple[Any, ...]]:
    chosen = config_of(cell["tuned"])
    recorded = _recorded(cell["tuning"])
    keys = [key for key in chosen if all(key in row for row in recorded)]
    if not keys or not recorded:
        return []
    # The line of a cell has most points along the key with the most values.
    key = max(keys, key=lambda each: len({row[each] for row in recorded}))
    rows = []
    for row in recorded:
        others = ", ".join(f"{other} {row[other]:g}" for other in keys if other != key)
        is_chosen = all(row[each] == chosen[each] for each in keys)
        at_edge = is_chosen and pd.notna(cell["tuned_on_edge"]) and bool(cell["tuned_on_edge"])
        rows.append((place, key, float(row[key]), others, row.get("loss"), row.get("accuracy"), is_chosen, at_edge))
    return rows


def _recorded(text: object) -> list[dict[str, Any]]:
    try:
        found = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
