"""Make the tables of a report once, as texts and the values they are sorted by, for page, Markdown and terminal."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports import flag_marks, run_facts
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.analysis.divergence import stability
from moebench.reports.analysis.equal_flops import cost_mark, flops_vs_dense
from moebench.reports.analysis.expert_trend import trends
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.quantities import titled, written, written_interval, written_points
from moebench.results.schema import Column, Kind, Section, column

Row = Mapping[Any, Any]
Better = Literal["higher", "lower"] | None


@dataclass(frozen=True)
class Field:
    """Declare a column of a table: its key, its heading, and how it is aligned and sorted."""

    key: str
    title: str
    number: bool = True
    better: Better = None
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """Hold a table: for each field a text and a value in each row."""

    name: str
    title: str
    fields: tuple[Field, ...]
    texts: dict[str, list[str]]
    values: dict[str, list[Any]]
    cells: list[int]
    """For each row the position of its cell among the cells of the results; empty if rows are no cells."""

    @property
    def rows(self) -> list[list[str]]:
        """The texts row by row."""
        return [list(row) for row in zip(*(self.texts[field.key] for field in self.fields), strict=True)]


def all_tables(results: Results) -> list[Table]:
    """Return the tables of a report that have rows, in their order."""
    made = (
        main(results),
        slopes(results.rows),
        divergence(results.rows),
        health(results),
        timing(results),
        failed(results),
        environment(results.rows),
    )
    return [table for table in made if table.texts]


def few_tables(results: Results, only: Collection[str]) -> list[Table]:
    """Return the tables of very many cells: of quantities those named alone, and without intervals."""
    made = (main(results, only), timing(results, only), failed(results), environment(results.rows))
    return [table for table in made if table.texts]


def main(results: Results, only: Collection[str] | None = None) -> Table:
    """Return the table that every reader sees first: one row for each cell, with its rank and its main numbers.

    Args:
        results: the rows and cells.
        only: columns to show, without intervals; None shows all of the section, with intervals.
    """
    cells = results.cells
    ratios = flops_vs_dense(cells)
    rank = [_rank(*row) for row in zip(cells["seeds"], cells["status"], cells["rank_group"], strict=True)]
    fields: list[_Filled] = [
        _labels(cells),
        (Field("rank", "Accuracy is", number=False), rank, rank),
        *_quantities(cells, "main", only),
    ]
    if cells["accuracy_vs_dense"].notna().any():
        bounds = [cells[f"accuracy_vs_dense_ci_{end}"] if only is None else nothing(cells) for end in ("low", "high")]
        points = [_points(*row) for row in zip(cells["accuracy_vs_dense"], *bounds, strict=True)]
        field = Field("accuracy_vs_dense", "Points from dense", better="higher", meaning=_GAIN)
        fields.insert(3, (field, points, cells["accuracy_vs_dense"].tolist()))
    if only is None and (marks := [cost_mark(ratio) for ratio in ratios]) and any(marks):
        field = Field("flops_vs_dense", "FLOPs, times dense", better="lower", meaning=_UNEQUAL)
        texts = [written(ratio, "ratio") + (" ≠" if mark else "") for ratio, mark in zip(ratios, marks, strict=True)]
        place = [field.key for field, *_ in fields].index("flops_forward_per_image") + 1
        fields.insert(place, (field, texts, ratios.tolist()))
    return _table("main", "Results", fields, range(len(cells)))


def health(results: Results) -> Table:
    """Return the routing metrics of all cells but the dense ones."""
    places = [place for place, router in enumerate(results.cells["router"]) if router != "dense"]
    cells = results.cells.iloc[places]
    found = _quantities(cells, "health")
    return _table("health", "Routing health", [_labels(cells), *found] if found else [], places)


def timing(results: Results, only: Collection[str] | None = None) -> Table:
    """Return times, the flags under which they were measured, and the precision of each timing.

    Args:
        results: the rows and cells.
        only: columns to show, without intervals and the precision; None shows all.
    """
    cells = results.cells
    flags = [flag_marks.in_words(found) or "–" for found in cells["timing_flags"]]
    found = _quantities(cells, "timing", only)
    fields = [_labels(cells), (Field("flags", "Flags", number=False), flags, flags), *found]
    quality = timing_quality(results) if only is None else pd.DataFrame()
    for field, kind in _TIMING_QUALITY if only is None else ():
        values = quality[field.key].tolist()
        if not all(map(isnan, values)):
            fields.append((field, [written(value, kind) for value in values], values))
    timed = cells["train_step_s"].notna().any() or cells["infer_s_per_image"].notna().any()
    return _table("timing", "Time and its quality", fields if timed else [], range(len(cells)))


def timing_quality(results: Results) -> pd.DataFrame:
    """Return for each cell how far its step times can be trusted.

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


def slopes(rows: pd.DataFrame) -> Table:
    """Return the change of accuracy of each router with each doubling of its experts."""
    found = trends(rows)
    found = found if found["slope"].notna().any() else found.iloc[:0]
    records = found.to_dict("records")
    points = [_points(*row) for row in zip(found["slope"], found["low"], found["high"], strict=True)]
    verdicts = [_verdict(row) for row in records]
    fields: list[_Filled] = [
        (Field("router", "Router", number=False), *2 * (found["router"].astype(str).tolist(),)),
        *_settings(found),
        (Field("slope", "Points for each doubling", better="higher"), points, found["slope"].tolist()),
        (Field("levels", "Numbers of experts"), *2 * (found["levels"].astype(str).tolist(),)),
        (Field("verdict", "Verdict", number=False), verdicts, verdicts),
    ]
    return _table("slopes", "Accuracy for each doubling of the experts", fields)


def divergence(rows: pd.DataFrame) -> Table:
    """Return from which learning rate on each configuration diverges; empty if one rate alone was tried."""
    try:
        records = stability(rows).to_dict("records")
    except BadInput:
        return _table("divergence", "Divergence over learning rates", [])
    columns: dict[Field, Callable[[Row], str]] = {
        Field("label", "Configuration", number=False): lambda row: str(row["label"]),
        Field("rates", "Learning rates"): lambda row: f"{row['rates']} from {row['lowest']:g} to {row['highest']:g}",
        Field("first", "First divergence"): lambda row: _known(row["first"]),
        Field("diverged", "Seeds there"): lambda row: (
            "–" if isnan(row["first"]) else f"{row['diverged']} of {row['seeds']}"
        ),
        Field("all", "All seeds from"): lambda row: _known(row["all"]),
        Field("step", "Step"): lambda row: _known(row["step"]),
    }
    fields = [
        (field, [show(row) for row in records], [row[field.key] for row in records]) for field, show in columns.items()
    ]
    return _table("divergence", "Divergence over learning rates", fields)


def failed(results: Results) -> Table:
    """Return the cells of which seeds failed, with the reason."""
    places = [place for place, count in enumerate(results.cells["seeds_failed"]) if count]
    cells = results.cells.iloc[places]
    seeds = [f"{bad} of {good + bad}" for bad, good in zip(cells["seeds_failed"], cells["seeds"], strict=True)]
    reasons = [_known(reason) for reason in cells["status_reason"]]
    statuses = cells["status"].astype(str).tolist()
    fields: list[_Filled] = [
        _labels(cells),
        (Field("seeds_failed", "Failed seeds"), seeds, cells["seeds_failed"].tolist()),
        (Field("status", "Status", number=False), statuses, statuses),
        (Field("status_reason", "Reason", number=False), reasons, reasons),
    ]
    return _table("failed", "Failed cells", fields if places else [], places)


def environment(rows: pd.DataFrame) -> Table:
    """Return machines and versions: a column for each environment, a row for each of its properties."""
    found = run_facts.environments(rows)
    heads = ["Value"] if len(found) == 1 else [f"Environment {place + 1}" for place in range(len(found))]
    names = [column(name).title if name != "rows" else "Rows" for name in found.columns]
    fields: list[_Filled] = [(Field("property", "Property", number=False), names, names)]
    for place, head in enumerate(heads):
        texts = [_known(value) for value in found.iloc[place]]
        fields.append((Field(f"environment_{place}", head, number=False), texts, texts))
    return _table("environment", "Environment", fields)


_Filled = tuple[Field, list[str], list[Any]]
"""A field with its texts and values."""
_GAIN = "accuracy minus that of the dense cell trained alike, mean over the seeds of both"
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


def _table(name: str, title: str, fields: Iterable[_Filled], cells: Iterable[int] = ()) -> Table:
    filled = list(fields)
    texts = {field.key: texts for field, texts, _ in filled}
    values = {field.key: values for field, _, values in filled}
    return Table(
        name,
        title,
        tuple(field for field, *_ in filled) if any(texts.values()) else (),
        texts if any(texts.values()) else {},
        values,
        list(cells),
    )


def _labels(cells: pd.DataFrame) -> _Filled:
    labels = cells["label"].astype(str).tolist()
    return Field("label", "Cell", number=False), labels, labels


def _quantities(cells: pd.DataFrame, section: Section, only: Collection[str] | None = None) -> list[_Filled]:
    """Return the columns of a section that some of these cells have, written with intervals unless named in `only`."""
    filled: list[_Filled] = []
    for of in run_facts.available(cells, section):
        if only is None or of.name in only:
            field = Field(of.name, titled(of), True, of.better, of.meaning)
            filled.append((field, cell_texts(cells, of, intervals=only is None), cells[of.name].tolist()))
    return filled


def nothing(cells: pd.DataFrame) -> "pd.Series[float]":
    """Return a missing number for each cell."""
    return pd.Series(np.nan, index=cells.index)


def cell_texts(cells: pd.DataFrame, of: Column, *, intervals: bool = True) -> list[str]:
    """Return a quantity of each cell as readers see it.

    Args:
        cells: one row a cell.
        of: the quantity.
        intervals: whether intervals stand behind the numbers.
    """
    missing = nothing(cells)
    lows, highs = (cells.get(f"{of.name}_ci_{end}", missing) if intervals else missing for end in ("low", "high"))
    flagged = [bool(flag_marks.concerning(of.name, flags)) for flags in cells["timing_flags"]]
    return [
        flag_marks.MARK * (mark and not isnan(value)) + written_interval(value, low, high, of.kind)
        for mark, value, low, high in zip(flagged, cells[of.name].tolist(), lows.tolist(), highs.tolist(), strict=True)
    ]


def _points(difference: float, low: float, high: float) -> str:
    """Return a difference of shares in points, with its interval."""
    if isnan(difference):
        return "–"
    bounds = "" if isnan(low) else f" [{written_points(low)}, {written_points(high)}]"
    return written_points(difference) + bounds


def _rank(seeds: int, status: str, group: object) -> str:
    return _RANKS.get(str(group), "–") if seeds else f"none: {status}"


def _settings(found: pd.DataFrame) -> list[_Filled]:
    """Return the parts of a setting in which these rows differ."""
    varying = [key for key in SETTING if found[key].nunique() > 1]
    return [(Field(key, column(key).title, number=False), *2 * (found[key].astype(str).tolist(),)) for key in varying]


def _verdict(row: Row) -> str:
    if isnan(row["slope"]):
        return "too few numbers of experts"
    return "rises" if row["low"] > 0 else "falls" if row["high"] < 0 else "not significant"


def _known(value: Any) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
