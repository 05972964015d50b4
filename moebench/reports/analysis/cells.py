"""Summarise cells: means over seeds, intervals, differences from dense, and rank groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pandas as pd

from moebench.claims import timing
from moebench.claims.cell_values import IMAGE_SHARES, CellValues, pools_of
from moebench.claims.claim import Claim
from moebench.claims.multiplier import multipliers
from moebench.claims.verdict import Verdict, judge
from moebench.errors import BadInput
from moebench.reports import style
from moebench.reports.analysis.ranking import dense_baselines, gains_over_dense, rank_groups, suite_pools
from moebench.reports.labels import cell_labels
from moebench.reports.quantities import possible_range
from moebench.results import COLUMNS
from moebench.results.schema import Kind
from moebench.results.schema import column as schema_column
from moebench.results.text_lists import with_lists
from moebench.statistics import student_intervals

IDENTITY = ("suite", "cell_id")
NEEDED = ("suite", "cell_id", "seed", "status", "router", "experts", "accuracy")
_OVER_SEEDS = tuple(c.name for c in COLUMNS if c.numeric and c.varies == "seed" and c.better)
_SCALARS = tuple(c.name for c in COLUMNS if c.kind != "list")
_NUMBERS = tuple(c.name for c in COLUMNS if c.numeric)


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the result table with every column of the schema, numbers as floats.

    The frame itself is not changed.

    Raises:
        BadInput: there are no rows, a column is missing that every report needs, or a list in a CSV file was cut.
    """
    for column in NEEDED:
        if column not in frame:
            near = get_close_matches(column, map(str, frame.columns), n=1)
            hint = f"; it has '{near[0]}'" if near else ""
            raise BadInput(f"this is no result table: it lacks the column '{column}'{hint}.")
    if frame.empty:
        raise BadInput("there are no results to report: the table has no rows.")
    table = with_lists(frame).reindex(columns=[column.name for column in COLUMNS]).reset_index(drop=True)
    # Rows older than the column have its value in two other columns.
    table["slots_per_image"] = table["slots_per_image"].fillna(table["total_slots"] / table["group_images"])
    # The copy puts columns of a type together; otherwise pandas would do this again for every further column.
    return table.astype(dict.fromkeys(_NUMBERS, float)).copy()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each cell of a result table, ordered by router and experts.

    `Results.ranked` adds how cells rank, which takes longer than all else.

    Args:
        frame: the result table, one row for each cell and seed.

    Returns:
        `label`; every scalar column of the table, numbers as the mean over the cell's seeds; `seeds`, the number with
        the status ok, and `seeds_failed`; `status`, ok if a seed is ok, and `status_reason`;
        `NAME_ci_low` and `NAME_ci_high`, bounds of 95 % intervals: of accuracies for new seeds on these test images,
        by a scatter pooled over similar cells; of losses and training times by the cell's own seeds; of times by the
        timed samples, and of times beside dense with the scatter between timings;
        `train_step_vs_dense_clock` and `infer_vs_dense_clock`, `processor` for ratios of processor time that replace
        wall-clock ratios disturbed by other processes, else `wall`;
        `compute_multiplier` and `time_multiplier` with bounds, for new seeds;
        `accuracy_vs_dense` with the bounds of its interval, the difference from the dense cell of the same setting,
        paired by seed and, if known, by test image, corrected for all cells of the suite.

    Raises:
        BadInput: the frame has no rows, or lacks a column that every report needs.
    """
    return _summarised(prepared(frame))


def _summarised(table: pd.DataFrame) -> pd.DataFrame:
    codes = table.groupby(list(IDENTITY), sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
    cells = _one_row_each(table, codes).copy()  # pandas warns of more than 100 columns that were added one by one
    cells.insert(0, "label", cell_labels(cells))
    good = (table["status"] == "ok").to_numpy()
    accuracy = CellValues.from_rows(table[good], codes[good], len(cells), "accuracy")
    for end, gain in zip(("", "_ci_low", "_ci_high"), gains_over_dense(cells, accuracy), strict=True):
        cells[f"accuracy_vs_dense{end}"] = gain
    scatter = timing.scatter_of(table).value
    worth = multipliers(table[good], codes[good].tolist(), cells, dense_baselines(cells), scatter)
    for name in worth:
        cells[str(name)] = worth[name]
    for column in timing.CLOCKS:
        times = timing.quoted(cells, column, scatter)
        for name, end in (("value", ""), ("low", "_ci_low"), ("high", "_ci_high"), ("clock", "_clock")):
            cells[f"{column}{end}"] = times[name]
    rank = {router: place for place, router in enumerate(style.in_order(cells["router"].astype(str)))}
    order = cells.assign(_rank=cells["router"].map(rank)).sort_values(
        ["suite", "data", "device_kind", "model", "_rank", "experts", "label"], kind="stable"
    )
    # The copy puts columns of a type together, many of which have been added one by one.
    return order.drop(columns="_rank").reset_index(drop=True).copy()


@dataclass(frozen=True)
class Results:
    """The rows and the cells of a result table, from which every report is made."""

    rows: pd.DataFrame
    """The result table, prepared by `prepared`."""
    cells: pd.DataFrame
    """One row for each cell, made by `summarise`."""
    claims: Sequence[Claim] = ()
    """The claims of the suite."""

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, claims: Sequence[Claim] = ()) -> "Results":
        """Return rows and cells of a result table.

        Args:
            frame: the result table, one row for each cell and seed.
            claims: the claims of its suite; empty for a table of several suites.

        Raises:
            BadInput: the frame has no rows, or lacks a column that every report needs.
        """
        rows = prepared(frame)
        return cls(rows, _summarised(rows), claims)

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """The cells with `rank_group`, each cell's place in its setting.

        The place is best, tied (no significant difference from the best), worse, or null if unknown; the tests are
        corrected for all pairs of cells.
        """
        groups = rank_groups(self.cells, self.values("accuracy"))
        return self.cells.assign(rank_group=pd.Series(groups, index=self.cells.index, dtype=object))

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """Verdicts on each claim, for each kind of device."""
        return judge(self.rows, self.claims)

    def __repr__(self) -> str:
        """Return suites and numbers of cells and rows."""
        failed = int((self.cells["seeds"] == 0).sum())
        suites = ", ".join(self.cells["suite"].astype(str).unique())
        return f"<Results of {suites}: {len(self.cells)} cells, {failed} of them failed, {len(self.rows)} rows>"

    @cached_property
    def pools(self) -> Sequence[tuple[str, ...]]:
        """Name of each cell's pool, whose cells scatter alike over seeds."""
        return pools_of(self.cells)

    def values(self, metric: str) -> CellValues:
        """Return a metric of all cells by seed and, if known, by test image.

        The metric is a column of numbers.
        """
        good = self.rows[self.rows["status"] == "ok"]
        return CellValues.from_rows(good, np.array(self.places(good), dtype=np.int64), len(self.cells), metric)

    def places(self, rows: pd.DataFrame) -> list[int]:
        """Return the position of each row's cell among `cells`."""
        keys = {key: place for place, key in enumerate(_keys(self.cells, IDENTITY))}
        return [keys[key] for key in _keys(rows, IDENTITY)]


def _one_row_each(table: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """Return one row for each cell, before cells are compared.

    Args:
        table: the result table.
        codes: number of the cell of each row.
    """
    count = int(codes.max()) + 1
    good = (table["status"] == "ok").to_numpy()
    seeds = np.bincount(codes[good], minlength=count)
    failed = np.bincount(codes[~good], minlength=count)
    # The last good row gives a cell's inputs; a cell without a good row is shown with its failure.
    shown = np.flatnonzero(good | (seeds[codes] == 0))
    last = np.zeros(count, int)
    np.maximum.at(last, codes[shown], shown)
    cells = table.iloc[last][[name for name in _SCALARS if name not in _NUMBERS]].reset_index(drop=True)
    numbers = [name for name in _NUMBERS if name != "seed"]
    cells = pd.concat([cells, table.iloc[shown][numbers].groupby(codes[shown]).mean()], axis=1).copy()
    pools = suite_pools(cells)
    over_seeds: dict[str, np.ndarray] = {}
    for name in _OVER_SEEDS:
        intervals = _intervals(table[good], codes[good], pools, name)
        over_seeds |= {
            f"{name}{end}": values for end, values in zip(("", "_ci_low", "_ci_high"), intervals, strict=True)
        }
    # All at once: pandas warns of frames that grow by a hundred columns, one after the other.
    rest = cells.drop(columns=[name for name in over_seeds if name in cells])
    cells = pd.concat([rest, pd.DataFrame(over_seeds, index=cells.index)], axis=1).copy()
    cells["seeds"], cells["seeds_failed"] = seeds, failed
    reasons: list[dict[str, None]] = [{} for _ in range(count)]
    for code, reason in zip(codes[~good], table.loc[~good, "status_reason"], strict=True):
        if not pd.isna(reason):
            reasons[code][str(reason)] = None
    cells["status_reason"] = pd.Series(["; ".join(texts) or None for texts in reasons])
    flags: list[set[str]] = [set() for _ in range(count)]
    for code, found in zip(codes, table["timing_flags"], strict=True):
        flags[code].update(map(str, listed(found)))
    cells["timing_flags"] = [sorted(found) for found in flags]
    return cells


def listed(value: object) -> list[object]:
    """Return the value of a list column as a list.

    A missing value becomes an empty list.
    """
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else []


def seed_intervals(values: np.ndarray, codes: np.ndarray, count: int, kind: Kind) -> tuple[np.ndarray, ...]:
    """Return mean and 95 % interval of each group by its scatter over seeds.

    Intervals are within the possible range.

    Args:
        values: float[n], without NaN.
        codes: int[n], the group of each value.
        count: number of groups.
        kind: kind of the values.
    """
    means, low, high = student_intervals(values, codes, count)
    return means, *(np.clip(bound, *possible_range(kind)) for bound in (low, high))


def _intervals(
    rows: pd.DataFrame, codes: np.ndarray, pools: Sequence[Sequence[int]], name: str
) -> tuple[np.ndarray, ...]:
    """Return mean and 95 % interval of each cell; no interval for one seed."""
    count = sum(map(len, pools))
    if name not in IMAGE_SHARES:
        values = rows[name].to_numpy(float)
        known = ~np.isnan(values)
        return seed_intervals(values[known], codes[known], count, schema_column(name).kind)
    found = np.full((3, count), np.nan)
    if rows[name].notna().any():
        share = CellValues.from_rows(rows, codes, count, name)
        for members in pools:
            found[:, members] = share.table(members, by_image=False).intervals(lowest=0.0, highest=1.0)
    return found[0], found[1], found[2]


def _keys(cells: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in cells[list(columns)].to_numpy()]
