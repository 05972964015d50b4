"""Summarise trained models in other settings, with intervals over seeds.

There is one row for each cell and setting.
"""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.claims.cell_values import CellValues, joined
from moebench.errors import BadInput, unknown
from moebench.reports.analysis.cells import Results, seed_intervals
from moebench.reports.analysis.ranking import SETTING
from moebench.results import at_test_time
from moebench.results.schema import TEST_TIME_FIELDS

NUMBERS = tuple(field.name for field in TEST_TIME_FIELDS if field.numeric)
_KINDS = {field.name: field.kind for field in TEST_TIME_FIELDS}
_NAMES = ("setting", "router", "top_k", "capacity_factor", "slots_per_expert")
_CELL = ("cell", "label", "router", "experts", *SETTING)


def settings(results: Results, *columns: str) -> pd.DataFrame:
    """Return trained models in other settings, one row for each cell and setting.

    Rows are in the order of cells and of settings.

    Columns: `cell` (its position among `results.cells`), `label router experts suite model data device_kind` of the
    trained cell; `setting test_router test_top_k test_capacity_factor test_slots_per_expert`; and for each requested
    field NAME, its mean over seeds, with bounds `NAME_low NAME_high`, NaN if there is one seed.

    Args:
        results: the results.
        columns: fields of the result table's `test_time` that are numbers.

    Raises:
        BadInput: a field does not exist, or no model was evaluated in other settings.
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
            flat[["seed", *(f"test_{name}" for name in dict.fromkeys((*_NAMES, *columns)))]],
            cells.iloc[places].set_index(flat.index).assign(cell=places),
        ],
        axis=1,
    )
    groups = flat.groupby(["cell", "test_setting"], sort=False)
    firsts = groups.head(1).set_index(["cell", "test_setting"])
    found = firsts.reset_index().rename(columns={"test_setting": "setting"})
    found = found[[*_CELL, "setting", *(f"test_{name}" for name in _NAMES if name != "setting")]]
    numbered = groups.ngroup().to_numpy()
    for column in columns:
        if column == "accuracy":
            bounds = _of_accuracy(flat, numbered, [results.pools[cell] for cell in found["cell"]])
        else:
            values = flat[f"test_{column}"].to_numpy(float)
            known = ~np.isnan(values)
            bounds = seed_intervals(values[known], numbered[known], len(found), _KINDS[column])
        for end, numbers in zip(("", "_low", "_high"), bounds, strict=True):
            found[f"{column}{end}"] = numbers
    return found.sort_values("cell", kind="stable").reset_index(drop=True)


def cuts(results: Results, within: float = 0.01) -> pd.DataFrame:
    """Return the cheapest setting of each trained cell that loses at most `within` of accuracy.

    Args:
        results: the results.
        within: the accepted loss, as a share of the test images.

    Returns:
        One row for each cell that was evaluated in cheaper settings: `cell label router experts suite model data
        device_kind`; `setting`, its changes in words, empty if no cheaper setting qualifies; `share`, its FLOPs over
        those
        of the trained setting; `change` of accuracy, the mean over seeds, with the bounds `low high` of its 95 %
        interval,
        paired by seed, by a scatter pooled over settings and cells; NaN if there is one seed.

    Raises:
        BadInput: no model was evaluated in other settings.
    """
    flat = at_test_time(results.rows[results.rows["status"] == "ok"])
    flat = flat.assign(cell=results.places(flat))
    groups = flat.groupby(["cell", "test_setting"], sort=False)
    firsts = groups.head(1)
    numbers = {name: number for number, name in enumerate(zip(firsts["cell"], firsts["test_setting"], strict=True))}
    pools = [results.pools[cell] for cell, _ in numbers]
    values = _accuracies(flat, groups.ngroup().to_numpy(), len(numbers))
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
        pair = numbers[int(str(cell)), best], numbers[int(str(cell)), "{}"]
        change = values.contrast([{pair[0]: 1.0, pair[1]: -1.0}], pools)
        found.append((cell, *identity, _in_words(best), cheaper.iloc[0], *change.interval()))
    return pd.DataFrame(found, columns=[*_CELL, "setting", "share", "change", "low", "high"])


def _accuracies(flat: pd.DataFrame, codes: np.ndarray, count: int) -> CellValues:
    """Return the accuracies of settings, numbered by `codes` for each row of the flattened table."""
    return CellValues.from_rows(flat.assign(accuracy=flat["test_accuracy"]), codes, count, "accuracy")


def _of_accuracy(flat: pd.DataFrame, codes: np.ndarray, pools: Sequence[tuple[str, ...]]) -> tuple[np.ndarray, ...]:
    """Return mean and 95 % interval of the accuracy in each setting.

    The scatter is pooled over similar settings.

    Args:
        flat: one row for each cell, seed and setting.
        codes: for each row the number of its setting.
        pools: for each setting the pool of its cell.
    """
    values = _accuracies(flat, codes, len(pools))
    found = np.full((3, len(pools)), np.nan)
    for members in joined(pools, []):
        found[:, members] = values.table(members).intervals(lowest=0.0, highest=1.0)
    return tuple(found)


def _in_words(setting: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(setting).items())


def known(points: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the rows that have a number in all of the columns.

    Raises:
        BadInput: there are none.
    """
    found = points[points[list(columns)].notna().all(axis=1)]
    if found.empty:
        raise BadInput(f"nothing to draw: no setting at test time has {' and '.join(columns)}.")
    return found
