"""Trained models in other settings: one row for each cell and setting, with intervals over seeds."""

import json

import numpy as np
import pandas as pd

from moebench.errors import BadInput, unknown
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING
from moebench.results import at_test_time
from moebench.results.schema import TEST_TIME_FIELDS
from moebench.statistics import student_intervals

NUMBERS = tuple(field.name for field in TEST_TIME_FIELDS if field.numeric)
_NAMES = ("setting", "router", "top_k", "capacity_factor", "slots_per_expert")
_CELL = ("cell", "label", "router", "experts", *SETTING)


def settings(results: Results, *columns: str) -> pd.DataFrame:
    """What trained models give in other settings, one row for each cell and setting, in the order of both.

    Columns: `cell` (its position among `results.cells`), `label router experts suite model data device_kind` of the
    trained cell; `setting test_router test_top_k test_capacity_factor test_slots_per_expert`; and for each of the
    fields asked for NAME, its mean over seeds, with bounds `NAME_low NAME_high`, NaN where there is one seed.

    Args:
        results: the results.
        columns: fields of the result table's `test_time` that are numbers.

    Raises:
        BadInput: a field that is not there, or no model that was tried in other settings.
    """
    for column in columns:
        if column not in NUMBERS:
            raise unknown("number of a setting at test time", column, NUMBERS)
    good = results.rows[results.rows["status"] == "ok"]
    flat = at_test_time(good)
    places = pd.Series(results.places(flat), index=flat.index)
    cells = results.cells[[name for name in _CELL if name != "cell"]]
    flat = pd.concat(
        [
            flat[[f"test_{name}" for name in dict.fromkeys((*_NAMES, *columns))]],
            cells.iloc[places].set_index(flat.index).assign(cell=places),
        ],
        axis=1,
    )
    groups = flat.groupby(["cell", "test_setting"], sort=False)
    firsts = groups.head(1).set_index(["cell", "test_setting"])
    found = firsts.reset_index().rename(columns={"test_setting": "setting"})
    found = found[[*_CELL, "setting", *(f"test_{name}" for name in _NAMES if name != "setting")]]
    for column in columns:
        values = flat[f"test_{column}"].to_numpy(float)
        known = ~np.isnan(values)
        bounds = student_intervals(values[known], groups.ngroup().to_numpy()[known], len(found))
        for end, numbers in zip(("", "_low", "_high"), bounds, strict=True):
            found[f"{column}{end}"] = numbers
    return found.sort_values("cell", kind="stable").reset_index(drop=True)


def cuts(results: Results, within: float = 0.01) -> pd.DataFrame:
    """How far each trained cell can be cut: the cheapest setting that loses no more than `within` of accuracy.

    Returns:
        One row for each cell that was tried in cheaper settings: `cell label router experts suite model data
        device_kind`; `setting`, what it changes in words, and empty where no cheaper one will do; `share`, its FLOPs
        over those of the trained setting; `change` of accuracy, the mean over seeds, with the bounds `low high` of its
        95 % interval, NaN where there is one seed.

    Raises:
        BadInput: no model was tried in other settings.
    """
    flat = at_test_time(results.rows[results.rows["status"] == "ok"])
    flat = flat.assign(cell=results.places(flat))
    found = []
    for cell, tried in flat.groupby("cell", sort=True):
        accuracy = tried.pivot_table(index="seed", columns="test_setting", values="test_accuracy")
        flops = tried.groupby("test_setting")["test_flops_forward_per_image"].mean()
        share = flops / flops["{}"]
        changes = accuracy.sub(accuracy["{}"], axis=0)
        cheaper = share[(share < 1) & (changes.mean() >= -within).reindex(share.index)].sort_values()
        if not (share < 1).any():
            continue
        identity = results.cells.iloc[int(str(cell))][[name for name in _CELL if name != "cell"]].tolist()
        if cheaper.empty:
            found.append((cell, *identity, "", 1.0, *[np.nan] * 3))
            continue
        best = str(cheaper.index[0])
        change = changes[best].dropna().to_numpy(float)
        bounds = student_intervals(change, np.zeros(len(change), dtype=int), 1)
        found.append((cell, *identity, _in_words(best), cheaper.iloc[0], *(float(bound[0]) for bound in bounds)))
    return pd.DataFrame(found, columns=[*_CELL, "setting", "share", "change", "low", "high"])


def _in_words(setting: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(setting).items())


def known(points: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Those that have a number in all of these columns.

    Raises:
        BadInput: there is none.
    """
    found = points[points[list(columns)].notna().all(axis=1)]
    if found.empty:
        raise BadInput(f"nothing to draw: no setting at test time has {' and '.join(columns)}.")
    return found
