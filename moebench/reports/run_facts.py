"""What every written report tells of its cells: which numbers, on what machine, when and with which versions."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from moebench.reports import flag_marks
from moebench.reports.analysis.cells import Results
from moebench.reports.quantities import Quantity, quantity
from moebench.results import COLUMNS
from moebench.results.schema import TEST_TIME_FIELDS

ENVIRONMENT = (
    *("device_kind", "device_count", "platform", "hostname", "cpu", "cpu_count", "precision"),
    *("python_version", "jax_version", "jaxlib_version", "flax_version", "jax_settings"),
    *("moebench_version", "git_commit"),
)
TABLE = (
    *("accuracy", "few_shot_1", "few_shot_5", "few_shot_10"),
    *("train_step_vs_dense", "flops_forward_per_image", "train_step_s"),
    *("infer_s_per_image", "params", "train_peak_bytes", "dropped_tokens"),
)
HEALTH = (
    *("dropped_tokens", "dropped_tokens_max_layer", "dropped_assignments", "load_cv", "max_violation"),
    *("router_entropy", "dead_experts", "slot_utilisation", "under_dispatched_tokens", "tokens_per_slot_90"),
    *("expert_calls_per_token", "expert_calls_per_token_std"),
)
TIMING = (
    *("compile_s", "train_step_s", "train_step_vs_dense", "infer_s_per_image", "infer_vs_dense"),
    *("load_average", "cell_wall_s"),
)


def available(cells: pd.DataFrame, names: Sequence[str]) -> list[Quantity]:
    """Those of the quantities that some cell has."""
    return [quantity(name) for name in names if cells[name].notna().any()]


def meaning(column: str) -> str:
    """What a column of the result table says, or a field of its `test_time`, for readers who do not know its name."""
    known = {name: meaning for name, _, _, meaning in TEST_TIME_FIELDS} | {each.name: each.meaning for each in COLUMNS}
    return known[column]


def environments(rows: pd.DataFrame) -> pd.DataFrame:
    """The environments in which rows were made, the one of most rows first, and how many `rows` each made."""
    return rows[list(ENVIRONMENT)].value_counts(dropna=False).rename("rows").reset_index()


def facts(results: Results) -> dict[str, str]:
    """Device, data, model, cells, seeds, versions, date and flagged times, by the names that a reader looks for."""
    rows, cells = results.rows, results.cells
    times = pd.to_datetime(rows["started_at"], utc=True).dropna()
    dates = [f"{time:%Y-%m-%d}" for time in (times.min(), times.max())] if len(times) else ["–"]
    cpus = f" ({_all(rows['cpu'])})" if (rows["platform"] == "cpu").any() and rows["cpu"].notna().any() else ""
    return {
        "Device": _all(rows["device_kind"]) + cpus,
        "Data": _all(rows["data"]),
        "Model": _all(rows["model"]),
        "Cells": f"{int((cells['seeds'] > 0).sum())} of {len(cells)} ended well",
        "Seeds": _all(cells["seeds"] + cells["seeds_failed"]),
        "Versions": f"moebench {_all(rows['moebench_version'])}, jax {_all(rows['jax_version'])}",
        "Measured": " to ".join(dict.fromkeys(dates)),
        **({"Timing": timing} if (timing := flag_marks.flagged(cells)) else {}),
    }


def _all(values: "pd.Series[Any]") -> str:
    """The distinct values, three at most by name."""
    names = [str(value) for value in values.dropna().unique()]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "–"
