"""Result tables of cells whose accuracies and times are set by hand, for the tests of comparisons."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from report_frames import suite_frame

ACCURACIES = (0.95, 0.96, 0.97)
STEADY = tuple([0.99, 1.0, 1.01] * 5)
"""Fifteen samples of a ratio, 1.0 in the middle."""
_ALL = suite_frame(failed=())


def cell(
    router: str = "soft",
    experts: int = 4,
    accuracies: Sequence[float] = ACCURACIES,
    ratios: Sequence[float] = STEADY,
    **columns: Any,
) -> pd.DataFrame:
    """A cell with a seed for each accuracy and with these samples of its times over dense; other columns as given."""
    known = _ALL[(_ALL["router"] == router) & (_ALL["experts"] == experts)]
    frame = pd.concat([known.iloc[[0]]] * len(accuracies), ignore_index=True)
    frame = frame.assign(seed=range(len(accuracies)), accuracy=list(accuracies))
    for name in ("train_step_vs_dense", "infer_vs_dense"):
        frame[f"{name}_samples"] = pd.Series([list(ratios)] * len(frame), dtype=object)
    for name, value in columns.items():
        frame[name] = value
    return frame


def table(*cells: pd.DataFrame) -> pd.DataFrame:
    """Several cells as one result table."""
    return pd.concat(cells, ignore_index=True)
