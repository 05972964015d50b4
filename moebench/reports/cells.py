"""From one row a seed to one row a cell: means, intervals, and who cannot be told from the best."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports import style
from moebench.reports.labels import cell_labels
from moebench.results import COLUMNS
from moebench.statistics import mean_interval

SETTING = ("suite", "model", "data", "device_kind")
"""Cells are compared with one another where these agree."""

IDENTITY = ("suite", "cell_id")
NEEDED = ("suite", "cell_id", "seed", "status", "router", "experts", "accuracy")
_OVER_SEEDS = ("accuracy", "eval_loss", "train_loss", "train_wall_s")
_TWIN = (*SETTING, "steps", "batch_size", "precision")
_SCALARS = tuple(c.name for c in COLUMNS if not str(c.type).startswith("list"))
_NUMBERS = tuple(c.name for c in COLUMNS if str(c.type) in ("double", "int32", "int64"))


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """The result table with every column of the schema, numbers as floats; the frame itself stays as it is.

    Raises:
        BadInput: no rows, or a column without which no report can be made.
    """
    for column in NEEDED:
        if column not in frame:
            near = get_close_matches(column, map(str, frame.columns), n=1)
            hint = f"; it has '{near[0]}'" if near else ""
            raise BadInput(f"this is no result table: it lacks the column '{column}'{hint}.")
    if frame.empty:
        raise BadInput("there are no results to report: the table has no rows.")
    table = frame.reindex(columns=[column.name for column in COLUMNS]).reset_index(drop=True)
    return table.astype(dict.fromkeys(_NUMBERS, float))


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell of a result table, in the order of routers and experts.

    Args:
        frame: the result table, one row for each cell and seed.

    Returns:
        `label`; every scalar column of the table, numbers as the mean over the cell's seeds; `seeds` that
        ended well and `seeds_failed`; `status`, ok where a seed ended well, and `status_reason`;
        `NAME_ci_low` and `NAME_ci_high` of 95 % intervals, over seeds (accuracy, losses, training time) or
        over timed samples (steps, inference); `accuracy_vs_dense` with bounds, the mean difference seed by
        seed from the dense cell of the same setting; `standing` within its setting: best, near (no
        difference from the best is shown), below, or null where nothing can be said.

    Raises:
        BadInput: the frame has no rows, or lacks a column that every report needs.
    """
    table = prepared(frame)
    groups = table.groupby(list(IDENTITY), sort=False, dropna=False)
    cells = pd.DataFrame([_cell(group) for _, group in groups])
    cells.insert(0, "label", cell_labels(cells))
    seeds = [_by_seed(group) for _, group in groups]
    cells = pd.concat([cells, _against_dense(cells, seeds)], axis=1)
    cells["standing"] = _standings(cells, seeds)
    rank = {router: place for place, router in enumerate(style.in_order(cells["router"].astype(str)))}
    order = cells.assign(_rank=cells["router"].map(rank)).sort_values(
        ["suite", "data", "device_kind", "model", "_rank", "experts", "label"], kind="stable"
    )
    return order.drop(columns="_rank").reset_index(drop=True)


@dataclass(frozen=True)
class Results:
    """What every report is made from: the result table's rows and its cells."""

    rows: pd.DataFrame
    """As `prepared` returns it."""
    cells: pd.DataFrame
    """As `summarise` returns it."""

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Results":
        """Raises BadInput as `summarise`."""
        return cls(prepared(frame), summarise(frame))

    def __repr__(self) -> str:
        failed = int((self.cells["seeds"] == 0).sum())
        suites = ", ".join(self.cells["suite"].astype(str).unique())
        return f"<Results of {suites}: {len(self.cells)} cells, {failed} of them failed, {len(self.rows)} rows>"

    def places(self, rows: pd.DataFrame) -> list[int]:
        """For each of these rows the position of its cell among `cells`."""
        keys = {key: place for place, key in enumerate(_keys(self.cells, IDENTITY))}
        return [keys[key] for key in _keys(rows, IDENTITY)]


def _cell(group: pd.DataFrame) -> dict[str, object]:
    good = group[group["status"] == "ok"]
    # The last good row stands for the cell; a cell without one is shown with its failure.
    shown = (good if len(good) else group).iloc[-1]
    cell: dict[str, object] = {name: shown[name] for name in _SCALARS if name not in ("seed", *_NUMBERS)}
    measured = good if len(good) else group
    for name in _NUMBERS:
        if name != "seed":
            cell[name] = measured[name].mean()
    for name in _OVER_SEEDS:
        cell[name], cell[f"{name}_ci_low"], cell[f"{name}_ci_high"] = _mean(good[name])
    failures = group[group["status"] != "ok"]
    reasons = failures["status_reason"].dropna().astype(str)
    cell["seeds"], cell["seeds_failed"] = len(good), len(failures)
    cell["status_reason"] = "; ".join(dict.fromkeys(reasons)) or None
    cell["timing_flags"] = sorted({str(flag) for flags in group["timing_flags"] for flag in listed(flags)})
    return cell


def listed(value: object) -> list[object]:
    """A list column's value as a list; a missing one as none."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else []


def _by_seed(group: pd.DataFrame) -> "pd.Series[float]":
    good = group[(group["status"] == "ok") & group["accuracy"].notna()]
    return good.drop_duplicates("seed", keep="last").set_index("seed")["accuracy"]


def _mean(values: "pd.Series[float]") -> tuple[float, float, float]:
    """Mean and 95 % interval; without an interval where there is one value only."""
    known = values.dropna().to_numpy(float)
    if len(known) == 0:
        return np.nan, np.nan, np.nan
    if len(known) == 1:
        return float(known[0]), np.nan, np.nan
    return mean_interval(known)


def _against_dense(cells: pd.DataFrame, seeds: list["pd.Series[float]"]) -> pd.DataFrame:
    """Mean difference in accuracy from the dense cell that has the same setting and schedule."""
    names = ["accuracy_vs_dense", "accuracy_vs_dense_ci_low", "accuracy_vs_dense_ci_high"]
    rows = []
    settings = _keys(cells, _TWIN)
    dense = {settings[i]: i for i in range(len(cells)) if cells["router"].iloc[i] == "dense"}
    for i, setting in enumerate(settings):
        twin = dense.get(setting)
        rows.append((np.nan,) * 3 if twin in (None, i) else _mean(seeds[i] - seeds[twin]))
    return pd.DataFrame(rows, columns=names, index=cells.index)


def _standings(cells: pd.DataFrame, seeds: list["pd.Series[float]"]) -> list[str | None]:
    """Each cell beside the best of its setting: does the interval of their difference hold zero?"""
    accuracy = cells["accuracy"].tolist()
    settings = _keys(cells, SETTING)
    best: dict[tuple[str, ...], int] = {}
    for i, setting in enumerate(settings):
        if not np.isnan(accuracy[i]) and (setting not in best or accuracy[i] > accuracy[best[setting]]):
            best[setting] = i
    standings: list[str | None] = []
    for i, setting in enumerate(settings):
        _, low, high = _mean(seeds[best[setting]] - seeds[i]) if setting in best else (np.nan,) * 3
        between = None if np.isnan(low) else "near" if low <= 0 <= high else "below"
        standings.append("best" if best.get(setting) == i else between)
    return standings


def _keys(cells: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in cells[list(columns)].to_numpy()]
