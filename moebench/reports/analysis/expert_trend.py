"""Does quality rise with the number of experts: a slope for each router, with its interval."""

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import SETTING
from moebench.statistics import scaling_fit


def trends(rows: pd.DataFrame, y: str = "accuracy", level: float = 0.95) -> pd.DataFrame:
    """How `y` of each router changes with each doubling of its experts.

    Args:
        rows: the result table, one row for each cell and seed; rows that did not end well are left out.
        y: a column of it.
        level: of the intervals.

    Returns:
        One row for each router but dense in each setting of suite, model, data and device, in order of appearance:
        the setting, `router`, `slope` with the bounds `low high` of its interval in the unit of `y`, and
        `levels`, the different numbers of experts. A router with fewer levels than a fit needs has no slope.
    """
    good = rows[(rows["status"] == "ok") & (rows["experts"] > 1)].dropna(subset=[y])
    found = []
    for setting, group in good.groupby([*SETTING, "router"], sort=False, dropna=False):
        try:
            slope = tuple(scaling_fit(group, "experts", y, level=level).slope)
        except BadInput:
            slope = (np.nan, np.nan, np.nan)
        found.append((*setting, *slope, group["experts"].nunique()))
    return pd.DataFrame(found, columns=[*SETTING, "router", "slope", "low", "high", "levels"])
