"""Tables with a row for each cell: results, routing health, times, failures."""

from collections.abc import Collection
from math import isnan

import numpy as np
import pandas as pd

from moebench.reports import flag_marks, run_facts
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.analysis.equal_flops import cost_mark, flops_vs_dense
from moebench.reports.quantities import titled, written, written_interval
from moebench.reports.tables.table import Field, Filled, Table, known, make, points
from moebench.results.schema import Column, Kind, Section
from moebench.results.selection import config_of

_GAIN = "accuracy minus that of the dense cell trained alike, mean over the seeds of both"


_CLOCK = "times of processors in place of wall-clock times, where other processes disturbed these"
_MARGIN = "validation loss of the second best try less that of the chosen one"
_EDGE = "a value at the edge of its grid is flagged, for a better one may lie beyond"
_UNEQUAL = "forward FLOPs over those of the dense cell trained alike; ≠ marks a difference of more than 3 %"


_TIMING_QUALITY: tuple[tuple[Field, Kind], ...] = (
    (Field("samples", "Samples of a step", better="higher"), "count"),
    (Field("half_width", "Half width of their interval", better="lower"), "share"),
    (
        Field("drift", "Drift", better="lower", meaning="change from the first third of the samples to the last"),
        "share",
    ),
)


_RANKS = {"best": "highest", "tied": "not significant", "worse": "lower"}


def main(results: Results, only: Collection[str] | None = None) -> Table:
    """Return the first table of a report, one row for each cell.

    A row has the rank of the cell and its main numbers.

    Args:
        results: the rows and cells.
        only: columns to show, without intervals; None shows all of the section, with intervals.
    """
    cells = results.cells
    ratios = flops_vs_dense(cells)
    rank = [_rank(*row) for row in zip(cells["seeds"], cells["status"], results.ranked["rank_group"], strict=True)]
    fields: list[Filled] = [
        _labels(cells),
        (Field("rank", "Accuracy is", number=False), rank, rank),
        *_quantities(cells, "main", only),
    ]
    if cells["accuracy_vs_dense"].notna().any():
        bounds = [cells[f"accuracy_vs_dense_ci_{end}"] if only is None else nothing(cells) for end in ("low", "high")]
        gains = [points(*row) for row in zip(cells["accuracy_vs_dense"], *bounds, strict=True)]
        field = Field("accuracy_vs_dense", "Points from dense", better="higher", meaning=_GAIN)
        fields.insert(3, (field, gains, cells["accuracy_vs_dense"].tolist()))
    if only is None and (marks := [cost_mark(ratio) for ratio in ratios]) and any(marks):
        field = Field("flops_vs_dense", "FLOPs, times dense", better="lower", meaning=_UNEQUAL)
        texts = [written(ratio, "ratio") + (" ≠" if mark else "") for ratio, mark in zip(ratios, marks, strict=True)]
        place = [field.key for field, *_ in fields].index("flops_forward_per_image") + 1
        fields.insert(place, (field, texts, ratios.tolist()))
    return make("main", "Results", fields, range(len(cells)))


def health(results: Results) -> Table:
    """Return the routing metrics of all cells but the dense ones."""
    places = [place for place, router in enumerate(results.cells["router"]) if router != "dense"]
    cells = results.cells.iloc[places]
    found = _quantities(cells, "health")
    return make("health", "Routing health", [_labels(cells), *found] if found else [], places)


def timing(results: Results, only: Collection[str] | None = None) -> Table:
    """Return times, the flags under which they were measured, and the precision of each timing.

    Args:
        results: the rows and cells.
        only: columns to show, without intervals and the precision; None shows all.
    """
    cells = results.cells
    flags = [flag_marks.in_words(found) or "–" for found in cells["timing_flags"]]
    found = _quantities(cells, "timing", only)
    clocks = [flag_marks.clock_of(cell) for cell in cells.to_dict("records")]
    fields = [_labels(cells), (Field("flags", "Flags", number=False), flags, flags)]
    if any(flag_marks.PROCESSOR in clock for clock in clocks):
        fields.append((Field("clock", "Ratios to dense by", number=False, meaning=_CLOCK), clocks, clocks))
    fields += found
    quality = timing_quality(results) if only is None else pd.DataFrame()
    for field, kind in _TIMING_QUALITY if only is None else ():
        values = quality[field.key].tolist()
        if not all(map(isnan, values)):
            fields.append((field, [written(value, kind) for value in values], values))
    timed = cells["train_step_s"].notna().any() or cells["infer_s_per_image"].notna().any()
    return make("timing", "Time and its quality", fields if timed else [], range(len(cells)))


def tuning(results: Results) -> Table:
    """Return the choice of tuning for each cell, and the number of tries.

    A column shows whether a better value may lie beyond the grid.
    """
    places = [place for place, chosen in enumerate(results.cells["tuned"]) if config_of(chosen)]
    cells = results.cells.iloc[places]
    chosen = [", ".join(f"{key} {value:g}" for key, value in config_of(text).items()) for text in cells["tuned"]]
    margins = [written(value, "number") for value in cells["tuned_margin"]]
    edges = ["at the edge" if pd.notna(edge) and edge else "inside" for edge in cells["tuned_on_edge"]]
    fields: list[Filled] = [
        _labels(cells),
        (Field("tuned", "Chosen", number=False), chosen, chosen),
        (Field("tuned_tries", "Tries"), list(map(known, cells["tuned_tries"])), cells["tuned_tries"].tolist()),
        (Field("tuned_margin", "Margin (nats)", meaning=_MARGIN), margins, cells["tuned_margin"].tolist()),
        (Field("tuned_on_edge", "Place in the grid", number=False, meaning=_EDGE), edges, edges),
    ]
    return make("tuning", "Tuning", fields if places else [], places)


def failed(results: Results) -> Table:
    """Return the cells with failed seeds, with the reason."""
    places = [place for place, count in enumerate(results.cells["seeds_failed"]) if count]
    cells = results.cells.iloc[places]
    seeds = [f"{bad} of {good + bad}" for bad, good in zip(cells["seeds_failed"], cells["seeds"], strict=True)]
    reasons = [known(reason) for reason in cells["status_reason"]]
    statuses = cells["status"].astype(str).tolist()
    fields: list[Filled] = [
        _labels(cells),
        (Field("seeds_failed", "Failed seeds"), seeds, cells["seeds_failed"].tolist()),
        (Field("status", "Status", number=False), statuses, statuses),
        (Field("status_reason", "Reason", number=False), reasons, reasons),
    ]
    return make("failed", "Failed cells", fields if places else [], places)


def timing_quality(results: Results) -> pd.DataFrame:
    """Return the quality of each cell's step times.

    Returns:
        `samples` taken; `half_width` of the interval relative to the median; `drift` from the median of the first
        third of the samples to that of the last, relative to the median of all. NaN without samples.
    """
    samples = dict(zip(results.places(results.rows), results.rows["train_step_s_samples"], strict=True))
    counts, drifts = [], []
    for place in range(len(results.cells)):
        taken = np.asarray(listed(samples[place]), dtype=float)
        third = len(taken) // 3
        counts.append(len(taken) or np.nan)
        drifts.append((np.median(taken[-third:]) - np.median(taken[:third])) / np.median(taken) if third else np.nan)
    cells = results.cells
    width = (cells["train_step_s_ci_high"] - cells["train_step_s_ci_low"]) / 2 / cells["train_step_s"]
    return pd.DataFrame({"samples": counts, "half_width": width.to_numpy(), "drift": drifts}, dtype=float)


def cell_texts(cells: pd.DataFrame, of: Column, *, intervals: bool = True) -> list[str]:
    """Return a quantity of each cell as text for readers.

    Args:
        cells: one row a cell.
        of: the quantity.
        intervals: whether intervals follow the numbers.
    """
    missing = nothing(cells)
    lows, highs = (cells.get(f"{of.name}_ci_{end}", missing) if intervals else missing for end in ("low", "high"))
    flagged = [bool(flag_marks.concerning(of.name, flags)) for flags in cells["timing_flags"]]
    return [
        flag_marks.MARK * (mark and not isnan(value)) + written_interval(value, low, high, of.kind)
        for mark, value, low, high in zip(flagged, cells[of.name].tolist(), lows.tolist(), highs.tolist(), strict=True)
    ]


def nothing(cells: pd.DataFrame) -> "pd.Series[float]":
    """Return a missing number for each cell."""
    return pd.Series(np.nan, index=cells.index)


def _labels(cells: pd.DataFrame) -> Filled:
    labels = cells["label"].astype(str).tolist()
    return Field("label", "Cell", number=False), labels, labels


def _quantities(cells: pd.DataFrame, section: Section, only: Collection[str] | None = None) -> list[Filled]:
    """Return the columns of a section in which some cell has a value.

    Columns have intervals unless `only` names them.
    """
    filled: list[Filled] = []
    for of in run_facts.available(cells, section):
        if only is None or of.name in only:
            field = Field(of.name, titled(of), True, of.better, of.meaning)
            filled.append((field, cell_texts(cells, of, intervals=only is None), cells[of.name].tolist()))
    return filled


def _rank(seeds: int, status: str, group: object) -> str:
    return _RANKS.get(str(group), "–") if seeds else f"none: {status}"
