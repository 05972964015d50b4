"""Does quality rise with the number of experts: a slope for each router, with its interval."""

import numpy as np
import pandas as pd

FEWEST_LEVELS = 3
FEWEST_POINTS = 4


Slope = tuple[float, float, float]


def slope_per_doubling(experts: "pd.Series[float]", values: "pd.Series[float]") -> Slope:
    """Change of `values` for each doubling of `experts`: least-squares slope, lower and upper bound.

    Every seed is a point. The interval is Student's at 95 % with n − 2 degrees of freedom over the residuals,
    so that both the spread of the seeds and a curve that is no straight line widen it. All are NaN with fewer
    than three different numbers of experts or fewer than four points.
    """
    from scipy.stats import t

    known = experts.notna() & values.notna() & (experts > 0)
    x, y = np.log2(experts[known].to_numpy(float)), values[known].to_numpy(float)
    if len(np.unique(x)) < FEWEST_LEVELS or len(x) < FEWEST_POINTS:
        return np.nan, np.nan, np.nan
    spread = ((x - x.mean()) ** 2).sum()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    residuals = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt((residuals**2).sum() / (len(x) - 2) / spread)
    half = float(t.ppf(0.975, len(x) - 2) * error)
    return slope, slope - half, slope + half


def trends(frame: pd.DataFrame, y: str = "accuracy") -> pd.DataFrame:
    """The slope of `y` for each router of a result table; one row a router that has one.

    Columns: `router slope low high points`, in the unit of `y` for each doubling of the experts.
    """
    rows = []
    good = frame[(frame["status"] == "ok") & (frame["experts"] > 1)]
    for router, group in good.groupby("router", sort=False):
        slope, low, high = slope_per_doubling(group["experts"], group[y])
        if np.isfinite(slope):
            rows.append((router, slope, low, high, int(group[y].notna().sum())))
    return pd.DataFrame(rows, columns=["router", "slope", "low", "high", "points"])
