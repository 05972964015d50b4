"""Trained models in other settings: one row for each cell and setting, with intervals over seeds."""

import numpy as np
import pandas as pd

from moebench.errors import BadInput, unknown
from moebench.reports.cells import SETTING, Results
from moebench.results import at_test_time
from moebench.results.schema import TEST_TIME_FIELDS
from moebench.statistics.batches import mean_intervals

NUMBERS = tuple(name for name, kind, *_ in TEST_TIME_FIELDS if str(kind) != "string")
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
        samples = [part.to_numpy(float) for _, part in groups[f"test_{column}"]]
        bounds = np.full((len(samples), 3), np.nan)
        for size in {len(sample) for sample in samples}:
            same = [place for place, sample in enumerate(samples) if len(sample) == size]
            bounds[same] = np.transpose(mean_intervals(np.stack([samples[place] for place in same])))
        for end, values in zip(("", "_low", "_high"), bounds.T, strict=True):
            found[f"{column}{end}"] = values
    return found.sort_values("cell", kind="stable").reset_index(drop=True)


def known(points: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Those that have a number in all of these columns.

    Raises:
        BadInput: there is none.
    """
    found = points[points[list(columns)].notna().all(axis=1)]
    if found.empty:
        raise BadInput(f"nothing to draw: no setting at test time has {' and '.join(columns)}.")
    return found
