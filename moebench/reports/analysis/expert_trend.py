"""Estimate each router's slope of quality over the number of experts, with its interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.claims.suite_rows import SuiteRows
from moebench.claims.trends import Slopes, fit
from moebench.reports.analysis.ranking import SETTING


def trends(rows: pd.DataFrame, y: str = "accuracy", level: float = 0.95) -> pd.DataFrame:
    """Return the change of a metric of each router with each doubling of its experts.

    Args:
        rows: the result table, one row for each cell and seed; rows whose status is not ok are left out.
        y: the metric, a column of numbers.
        level: probability that an interval covers.

    Returns:
        One row for each router but dense in each setting of suite, model, data and device: the setting, `router`,
        `slope` with the bounds `low high` of its interval in the unit of `y`, and `levels`, the different numbers of
        experts. A router with too few levels for a line has no slope.
    """
    return _at(level, _lines(rows, y))


def trends_together(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `trends` with wider intervals, which together cover for all routers with 95 %."""
    lines = _lines(rows, "accuracy")
    fitted = sum(line is not None for _, line, _ in lines)
    return _at(1 - 0.05 / max(1, fitted), lines)


def _lines(rows: pd.DataFrame, y: str) -> list[tuple[tuple[object, ...], Slopes | None, int]]:
    """Return setting and router, line, and number of levels of each router."""
    good = rows[(rows["status"] == "ok") & rows["experts"].notna()].dropna(subset=[y])
    found = []
    for setting, group in good.groupby(list(SETTING), sort=False, dropna=False):
        cells = SuiteRows.from_frame(group)
        values = cells.values(y)
        routers = [str(cell.shared["router"]) for cell in cells.cells]
        for router in dict.fromkeys(routers):
            members = [place for place, name in enumerate(routers) if name == router]
            experts = {float(cells.cells[place].shared["experts"]) for place in members} - {1.0}
            if not experts:
                continue
            line = fit(values, cells, [{place: 1.0} for place in members], "experts")
            found.append(((*setting, router), line, len(experts)))
    return found


def _at(level: float, lines: Sequence[tuple[tuple[object, ...], Slopes | None, int]]) -> pd.DataFrame:
    """Return the table of `trends` with intervals of a level."""
    nothing = (np.nan, np.nan, np.nan)
    rows = [(*of, *(line.slope.interval(level) if line else nothing), levels) for of, line, levels in lines]
    return pd.DataFrame(rows, columns=[*SETTING, "router", "slope", "low", "high", "levels"])
