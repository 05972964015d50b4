"""Timing flags in the few words that have room beside times."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from moebench.spec.timing_flags import MEANINGS

MARK = "~"
"""Mark before a time that was measured under a flag."""
_TIMED = {"training": ("train_step_",), "inference": ("infer_s_", "infer_vs_", "infer_latency_", "infer_max_batch_s_")}
PROCESSOR = "processor time"
_ANY = ("train_step_s", "infer_s_per_image")

SECONDS = "seconds of different cells compare only on a quiet machine; the ratio to dense is of pairs timed in turns"
OWN_RATIO = "that of dense is its program against itself, so its distance from 1 is an error of the timing"


def concerning(column: str, flags: Iterable[object]) -> list[str]:
    """Return the flags of a cell that concern a column.

    The list is empty for columns that are not timed. A flag without `training:` or `inference:` concerns both.
    """
    found = []
    for flag in map(str, flags):
        timed, colon, _ = flag.rpartition(":")
        prefixes = _TIMED.get(timed, ()) if colon else sum(_TIMED.values(), ())
        if column.startswith(prefixes):
            found.append(flag)
    return found


def mark(cell: Mapping[Hashable, Any], column: str) -> str:
    """Return the mark before a cell's number that was timed under a flag.

    The text is empty for other numbers.
    """
    return MARK if concerning(column, cell["timing_flags"]) and not isnan(cell[column]) else ""


def in_words(flags: Iterable[object]) -> str:
    """Return flags as `both: drift; training: noisy; inference: budget`, where both means training and inference."""
    named: dict[str, list[str]] = {}
    for flag in map(str, flags):
        timed, _, name = flag.rpartition(":")
        named.setdefault(name.replace("_", " "), []).append(timed)
    grouped: dict[str, list[str]] = {}
    for name, phases in named.items():
        grouped.setdefault("both" if {*_TIMED} <= {*phases} else phases[0], []).append(name)
    order = [timed for timed in ("", "both", *_TIMED) if timed in grouped]
    return "; ".join((f"{timed}: " if timed else "") + ", ".join(grouped[timed]) for timed in order)


def meanings(cells: pd.DataFrame) -> dict[str, str]:
    """Return the meanings of the flags that some cell has, by their bare names."""
    names = {str(flag).rpartition(":")[2] for flags in cells["timing_flags"] for flag in flags}
    return {name: meaning for name, meaning in MEANINGS.items() if name in names}


def flagged(cells: pd.DataFrame, columns: Sequence[str] = _ANY) -> str:
    """Return the share of flagged cells, `17 of 17 cells flagged (contention 17, drift 3)`.

    Cells without the times do not count, and the text is empty if no cell has the times.

    Args:
        cells: the result of `summarise`.
        columns: the times.
    """
    timed = cells[cells[[*columns]].notna().any(axis=1)]
    flags = [{flag for name in columns for flag in concerning(name, found)} for found in timed["timing_flags"]]
    if timed.empty:
        return ""
    count = Counter(name for found in flags for name in {flag.rpartition(":")[2] for flag in found})
    # By name, among those of equal number: a set's order differs from process to process.
    order = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    names = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in order)
    some = sum(map(bool, flags))
    return f"{some} of {len(timed)} cells flagged" + (f" ({names})" if names else "")


def note(cells: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return a figure's note on its times.

    The note is empty if no column is timed or no time is flagged.

    Args:
        cells: the result of `summarise`.
        columns: the columns of the figure.
    """
    timed = [name for name in columns if concerning(name, ["any"])]
    text = flagged(cells, timed) if timed else ""
    return "" if text.startswith("0 ") else f"timing of {text}" if text else ""


def clock_of(cell: Mapping[Hashable, Any]) -> str:
    """Return the clock of a cell's ratios to dense.

    The clock is `wall-clock`, `processor time`, or the clock of each phase.
    """
    by_phase = {"training": "train_step_vs_dense", "inference": "infer_vs_dense"}
    timed = {phase: cell[f"{column}_clock"] for phase, column in by_phase.items() if not isnan(cell[column])}
    processor = [phase for phase, clock in timed.items() if clock == "processor"]
    if not timed:
        return "–"
    if len(processor) == len(timed):
        return PROCESSOR
    return f"{processor[0]}: {PROCESSOR}" if processor else "wall-clock"


def clocks(cells: pd.DataFrame) -> str:
    """Return the number of ratios to dense of processor time, in words.

    The text is empty if all ratios are of wall-clock.

    Args:
        cells: the result of `summarise`.
    """
    timed = cells[cells["train_step_vs_dense"].notna()]
    count = int((timed["train_step_vs_dense_clock"] == "processor").sum())
    if not count:
        return ""
    return (
        f"{count} of {len(timed)} ratios to dense are of processor time, for other processes disturbed the wall-clock"
    )
