"""Times beside the dense twin, by the right clock, with the scatter between timings."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from moebench.spec.timing_flags import OTHER_PROCESS_SHARE
from moebench.statistics import DEFAULT_SCATTER, timing_scatter

CLOCKS = {"train_step_vs_dense": "train_step_cpu_vs_dense", "infer_vs_dense": "infer_cpu_vs_dense"}
"""Column of processor time for each column of wall-clock ratios."""
_CONDITIONS = ("other_process_cpu_share", "platform", "timing_flags")
_PHASES = {"train_step_vs_dense": "training:contention", "infer_vs_dense": "inference:contention"}
Z = 1.959964
"""Half width of a 95 % interval in standard deviations."""


class Scatter(NamedTuple):
    """Standard deviation of a log time ratio between two timings of a program."""

    value: float
    source: str
    """Source of the number, in words."""


def scatter_of(rows: pd.DataFrame) -> Scatter:
    """Return the scatter between timings of one program on the machines of these rows.

    The best source is the machine's own timing self-test (column `timing_scatter`); then cells that were timed in
    several processes and dense cells, whose ratio to themselves is 1; then `DEFAULT_SCATTER`.
    """
    if "timing_scatter" in rows:
        known = rows["timing_scatter"].dropna()
        if len(known):
            return Scatter(float(known.median()), "the machine's timing self-test")
    repeats: list[list[tuple[float, float]]] = []
    alone: list[tuple[float, float]] = []
    for column in CLOCKS:
        timings = rows.dropna(subset=[column]).drop_duplicates(["suite", "cell_id", "run_id", "attempt"])
        for _, group in timings.groupby(["cell_id", "hostname"], dropna=False):
            logs = _log_ratios(group, column)
            if (group["router"] == "dense").all():
                alone += logs
            else:
                repeats.append(logs)
    found = timing_scatter(repeats, alone)
    if found is None:
        return Scatter(DEFAULT_SCATTER, f"taken for {DEFAULT_SCATTER:.0%}, for want of a timing self-test")
    return Scatter(found, "dense cells beside themselves and cells timed several times")


def seconds_scatter(rows: pd.DataFrame) -> float:
    """Return the standard deviation of the logarithm of seconds measured at different times.

    The reference kernel, which runs beside every cell, is an unchanging program: its seconds show how much the machine
    itself changes. The result is twice `DEFAULT_SCATTER` if too few cells have such seconds.
    """
    timings = rows.dropna(subset=["reference_kernel_s"]).drop_duplicates(["suite", "cell_id", "run_id", "attempt"])
    groups = [
        [(float(np.log(value)), 0.0) for value in group["reference_kernel_s"] if value > 0]
        for _, group in timings.groupby(["hostname", "device_kind"], dropna=False)
    ]
    found = timing_scatter(groups)
    return 2 * DEFAULT_SCATTER if found is None else found


def disturbed(cell: "pd.Series[Any]", column: str) -> bool:
    """Return whether other processes disturbed the wall-clock of a timing beside the dense twin."""
    share = cell["other_process_cpu_share"]
    busy = cell["platform"] == "cpu" and isinstance(share, float) and share > OTHER_PROCESS_SHARE
    return busy or _PHASES[column] in set(_flags(cell["timing_flags"]))


def _log_ratios(timings: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    """Return log ratio and standard error of each timing that has an interval."""
    columns = [timings[f"{column}{end}"].to_numpy(np.float64) for end in ("", "_ci_low", "_ci_high")]
    with np.errstate(invalid="ignore", divide="ignore"):
        value, low, high = (np.log(each) for each in columns)
    errors = (high - low) / (2 * Z)
    known = np.isfinite(value) & np.isfinite(errors)
    return list(zip(value[known].tolist(), errors[known].tolist(), strict=True))


def quoted(cells: pd.DataFrame, column: str, scatter: float) -> pd.DataFrame:
    """Return a ratio to the dense twin with an interval for the next timing.

    Args:
        cells: one row for each cell, with the columns of the result table.
        column: `train_step_vs_dense` or `infer_vs_dense`.
        scatter: standard deviation of a log ratio between timings.

    Returns:
        Columns `value low high clock`: the ratio of processor time with the clock `processor` if other processes
        disturbed the wall-clock, else the ratio of wall-clock with the clock `wall`; NaN for cells that were not timed.
    """
    other = CLOCKS[column]
    busy = [disturbed(cell, column) for _, cell in cells[list(_CONDITIONS)].iterrows()]
    instead = pd.Series(busy, cells.index, dtype=bool) & cells[other].notna()
    found = pd.DataFrame(index=cells.index)
    for name, end in (("value", ""), ("low", "_ci_low"), ("high", "_ci_high")):
        found[name] = cells[f"{column}{end}"].where(~instead, cells[f"{other}{end}"]).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        for end, sign in (("low", -1), ("high", 1)):
            within = np.log(found[end] / found["value"])
            found[end] = found["value"] * np.exp(sign * np.hypot(within, Z * scatter))
    return found.assign(clock=np.where(instead, "processor", "wall"))


def _flags(found: object) -> Iterable[str]:
    return map(str, found) if isinstance(found, (list, tuple, np.ndarray)) else ()
