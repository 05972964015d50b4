"""Compare the FLOPs of cells with those of their dense twins."""

import numpy as np
import pandas as pd

from moebench.claims.claim import TOLERANCE
from moebench.reports.analysis.ranking import dense_baselines


def flops_vs_dense(cells: pd.DataFrame) -> "pd.Series[float]":
    """Return each cell's forward FLOPs over the FLOPs of the dense cell trained alike.

    The ratio is NaN without such a dense cell.
    """
    flops = cells["flops_forward_per_image"].to_numpy(float)
    ratios = np.full(len(cells), np.nan)
    for place, dense in dense_baselines(cells).items():
        ratios[place] = flops[place] / flops[dense]
    return pd.Series(ratios, index=cells.index)


def unequal(ratios: "pd.Series[float]") -> "pd.Series[bool]":
    """Return whether each of these ratios is further from 1 than `TOLERANCE`."""
    return (ratios - 1).abs() > TOLERANCE


def cost_mark(ratio: float) -> str:
    """Return the mark after the name of a cell of unequal cost, `1.94 × FLOPs`.

    The mark is empty at equal cost.
    """
    return f"{ratio:.2f} × FLOPs" if abs(ratio - 1) > TOLERANCE else ""
