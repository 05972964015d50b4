"""The results as the page carries them: once, by columns, with no more digits than anybody reads."""

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.analysis.ranking import shown_better
from moebench.reports.analysis.test_time import settings
from moebench.reports.quantities import section
from moebench.results import Column

DIGITS = 6
DIGITS_DRAWN = 4
"""Of numbers that are many and only drawn."""
LARGE = 600
"""Cells beyond which the page carries no curves, loads, drifts and settings, and only the columns that it shows."""
MOST_COMPETING = 120
"""Cells beyond which no probability of being on a front is worked out: each pair of axes would take seconds."""
_TOLD_APART = (
    *("label", "suite", "router", "model", "data", "device_kind", "status", "status_reason", "rank_group"),
    *("seeds", "seeds_failed", "timing_flags", "accuracy_vs_dense", "accuracy_vs_dense_ci_low"),
    *("accuracy_vs_dense_ci_high", "flops_experts", "flops_padding", "flops_router", "flops_dispatch_combine"),
)
Columns = dict[str, Any]


def columns(frame: pd.DataFrame, digits: int = DIGITS) -> Columns:
    """A frame by columns for JSON; columns without any value are left out.

    Numbers are lists, whole or of so many digits, with null for what is missing or infinite; texts are
    `{"of": distinct, "at": positions}`.
    """
    out: Columns = {}
    for name in frame.columns:
        values = frame[name]
        if values.isna().all():
            continue
        if values.dtype == object and values.map(lambda value: isinstance(value, (list, tuple))).any():
            out[str(name)] = [", ".join(map(str, listed(value))) for value in values]
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            out[str(name)] = [_short(float(value), digits) for value in values]
        elif pd.api.types.is_datetime64_any_dtype(values):
            out[str(name)] = [None if pd.isna(value) else value.isoformat(timespec="seconds") for value in values]
        else:
            codes, distinct = pd.factorize(values)
            out[str(name)] = {"of": [_value(value) for value in distinct], "at": codes.tolist()}
    return out


def timing(results: Results) -> pd.DataFrame:
    """How far each cell's step times can be trusted, one row for each cell.

    Columns: `samples` taken, `half_width` of the interval relative to the median, `drift` from the median of the
    first third of the samples to that of the last, relative to the median of all.
    """
    samples = dict(zip(results.places(results.rows), results.rows["train_step_s_samples"], strict=True))
    found = []
    for place in range(len(results.cells)):
        taken = np.asarray(listed(samples[place]), dtype=float)
        third = len(taken) // 3
        drift = (np.median(taken[-third:]) - np.median(taken[:third])) / np.median(taken) if third else np.nan
        found.append((len(taken) or np.nan, drift))
    cells = results.cells
    width = (cells["train_step_s_ci_high"] - cells["train_step_s_ci_low"]) / 2 / cells["train_step_s"]
    return pd.DataFrame(found, columns=["samples", "drift"], index=cells.index).assign(half_width=width)


def front_probabilities(results: Results, costs: Sequence[Column], qualities: Sequence[Column]) -> Columns:
    """For each pair of axes `COST QUALITY` the probability of each cell to lie on the Pareto front, if they are few."""
    out: Columns = {}
    if len(results.cells) > MOST_COMPETING:
        return out
    for cost in costs:
        for quality in qualities:
            try:
                points = chart_data.pareto(results, cost.name, quality.name).set_index("cell")
            except BadInput:
                continue
            chances = points["front_probability"].reindex(range(len(results.cells)))
            out[f"{cost.name} {quality.name}"] = [_short(chance, 3) for chance in chances]
    return out


def told_apart(results: Results, qualities: Sequence[Column]) -> Columns:
    """For each quality and each cell the positions of the cells that it is shown to be better than, if they are few."""
    if len(results.cells) > MOST_COMPETING:
        return {}
    return {
        quality.name: shown_better(
            results.cells, results.values(quality.name), higher_is_better=quality.higher_is_better
        )
        for quality in qualities
    }


def tidy(make: Callable[[Results], pd.DataFrame], results: Results, names: Sequence[str]) -> Columns:
    """Columns of a frame of `frames`, with the position of the cell; empty where there is nothing to show."""
    try:
        return columns(make(results)[["cell", *names]], DIGITS_DRAWN)
    except BadInput:
        return {}


def tried(results: Results) -> pd.DataFrame:
    """Trained models in other settings as `settings` gives them, bounds named as those of cells, if the cells are few.

    Empty where no model was tried in any.
    """
    nothing = pd.DataFrame(columns=["test_router"])
    tried_names = [each.name for each in (*section("test-time cost"), *section("test-time quality"))]
    if len(results.cells) > LARGE:
        return nothing
    try:
        found = settings(results, *tried_names)
    except BadInput:
        return nothing
    numbers = [name for name in tried_names if found[name].notna().any()]
    bounds = {f"{name}_{end}": f"{name}_ci_{end}" for name in numbers for end in ("low", "high")}
    named = ["cell", "setting", "test_router", "test_top_k", *numbers, *bounds]
    return found[named].rename(columns=bounds)


def shown_only(cells: pd.DataFrame, shown: Sequence[Column]) -> pd.DataFrame:
    """Of the columns of the cells those of these quantities, with bounds, and those by which cells are told apart."""
    names = [f"{of.name}{end}" for of in shown for end in ("", "_ci_low", "_ci_high")]
    return cells[[name for name in cells.columns if name in {*_TOLD_APART, *chart_data.INPUTS, *names}]]


def packed(data: Mapping[str, Any]) -> str:
    """JSON, compressed and in base64, which can stand inside a script element whatever it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Without a date the same results make the same page.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=7, mtime=0)).decode()


def _short(value: float, digits: int) -> float | int | None:
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.{digits}g}")


def _value(value: object) -> object:
    return value if isinstance(value, (bool, str)) else str(value)
