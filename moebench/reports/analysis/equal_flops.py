"""Compare the FLOPs of cells with those of their dense twins."""

import numpy as np
import pandas as pd

from moebench.reports.analysis.cells import TRAINED_ALIKE

TOLERANCE = 0.03
"""Cells whose FLOPs differ by a larger share are compared at unequal cost."""


def flops_vs_dense(cells: pd.DataFrame) -> "pd.Series[float]":
    """Return for each cell its forward FLOPs over those of the dense cell that is trained alike; NaN without one."""
    keys = [tuple(map(str, row)) for row in cells[list(TRAINED_ALIKE)].to_numpy()]
    flops = cells["flops_forward_per_image"].to_numpy(float)
    dense = {key: flops[place] for place, key in enumerate(keys) if cells["router"].iloc[place] == "dense"}
    return pd.Series([flops[place] / dense.get(key, np.nan) for place, key in enumerate(keys)], index=cells.index)


def unequal(ratios: "pd.Series[float]") -> "pd.Series[bool]":
    """Return whether each of these ratios is further from 1 than `TOLERANCE`."""
    return (ratios - 1).abs() > TOLERANCE


def cost_mark(ratio: float) -> str:
    """Return what stands behind the name of a cell of unequal cost, `1.94 × FLOPs`; nothing at equal cost."""
    return f"{ratio:.2f} × FLOPs" if abs(ratio - 1) > TOLERANCE else ""
