"""From one row a seed to one row a cell: means, intervals, and who cannot be told from the best."""

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports import style
from moebench.reports.labels import cell_labels
from moebench.results import COLUMNS, Column
from moebench.statistics import p_below_best, p_beside
from moebench.statistics.batches import mean_intervals

SETTING = ("suite", "model", "data", "device_kind")
"""Cells are compared with one another where these agree."""

IDENTITY = ("suite", "cell_id")
NEEDED = ("suite", "cell_id", "seed", "status", "router", "experts", "accuracy")
_OVER_SEEDS = tuple(c.name for c in COLUMNS if c.numeric and c.varies == "seed" and c.better)
TRAINED_ALIKE = (
    *SETTING,
    "image_size",
    "steps",
    "batch_size",
    "precision",
    "learning_rate",
    "pretrain_data",
    "pretrain_steps",
)
_SCALARS = tuple(c.name for c in COLUMNS if c.kind != "list")
_NUMBERS = tuple(c.name for c in COLUMNS if c.numeric)


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """The result table with every column of the schema, numbers as floats; the frame itself stays as it is.

    Raises:
        BadInput: no rows, or a column without which no report can be made.
    """
    for column in NEEDED:
        if column not in frame:
            near = get_close_matches(column, map(str, frame.columns), n=1)
            hint = f"; it has '{near[0]}'" if near else ""
            raise BadInput(f"this is no result table: it lacks the column '{column}'{hint}.")
    if frame.empty:
        raise BadInput("there are no results to report: the table has no rows.")
    table = frame.reindex(columns=[column.name for column in COLUMNS]).reset_index(drop=True)
    # Rows of before this column was there say it in two others.
    table["slots_per_image"] = table["slots_per_image"].fillna(table["total_slots"] / table["group_images"])
    # The copy puts columns of a type together, which pandas would otherwise ask for at every column that follows.
    return table.astype(dict.fromkeys(_NUMBERS, float)).copy()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell of a result table, in the order of routers and experts.

    Args:
        frame: the result table, one row for each cell and seed.

    Returns:
        `label`; every scalar column of the table, numbers as the mean over the cell's seeds; `seeds` that
        ended well and `seeds_failed`; `status`, ok where a seed ended well, and `status_reason`;
        `NAME_ci_low` and `NAME_ci_high` of 95 % intervals, over seeds (accuracy, losses, training time) or
        over timed samples (steps, inference); `accuracy_vs_dense` with bounds, the mean difference seed by
        seed from the dense cell of the same setting; `rank_group` within its setting: best, tied (no
        difference from the best is shown), worse, or null where nothing can be said; corrected for
        `compared_pairs`.

    Raises:
        BadInput: the frame has no rows, or lacks a column that every report needs.
    """
    return _summarised(prepared(frame))


def _summarised(table: pd.DataFrame) -> pd.DataFrame:
    codes = table.groupby(list(IDENTITY), sort=False, dropna=False).ngroup().to_numpy()
    cells = _one_row_each(table, codes)
    cells.insert(0, "label", cell_labels(cells))
    seeds = _by_seed(table, codes)
    settings = {"dense": _keys(cells, TRAINED_ALIKE), "best": _keys(cells, SETTING)}
    dense = {setting: i for i, setting in enumerate(settings["dense"]) if cells["router"].iloc[i] == "dense"}
    twins = np.array([dense.get(setting, -1) for setting in settings["dense"]])
    gains = _differences(seeds, np.where(twins == np.arange(len(cells)), -1, twins))
    for end, gain in zip(("", "_ci_low", "_ci_high"), gains, strict=True):
        cells[f"accuracy_vs_dense{end}"] = gain
    cells["rank_group"] = _rank_groups(cells, seeds, settings["best"])
    rank = {router: place for place, router in enumerate(style.in_order(cells["router"].astype(str)))}
    order = cells.assign(_rank=cells["router"].map(rank)).sort_values(
        ["suite", "data", "device_kind", "model", "_rank", "experts", "label"], kind="stable"
    )
    return order.drop(columns="_rank").reset_index(drop=True)


@dataclass(frozen=True)
class Results:
    """What every report is made from: the result table's rows and its cells."""

    rows: pd.DataFrame
    """As `prepared` returns it."""
    cells: pd.DataFrame
    """As `summarise` returns it."""

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "Results":
        """Raises BadInput as `summarise`."""
        rows = prepared(frame)
        return cls(rows, _summarised(rows))

    def __repr__(self) -> str:
        failed = int((self.cells["seeds"] == 0).sum())
        suites = ", ".join(self.cells["suite"].astype(str).unique())
        return f"<Results of {suites}: {len(self.cells)} cells, {failed} of them failed, {len(self.rows)} rows>"

    def places(self, rows: pd.DataFrame) -> list[int]:
        """For each of these rows the position of its cell among `cells`."""
        keys = {key: place for place, key in enumerate(_keys(self.cells, IDENTITY))}
        return [keys[key] for key in _keys(rows, IDENTITY)]


def _one_row_each(table: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """The cells, numbered by `codes` for each row of the table, before they are compared."""
    count = int(codes.max()) + 1
    good = (table["status"] == "ok").to_numpy()
    seeds = np.bincount(codes[good], minlength=count)
    failed = np.bincount(codes[~good], minlength=count)
    # Good rows stand for a cell, the last of them for its inputs; a cell without one is shown with its failure.
    shown = np.flatnonzero(good | (seeds[codes] == 0))
    last = np.zeros(count, int)
    np.maximum.at(last, codes[shown], shown)
    cells = table.iloc[last][[name for name in _SCALARS if name not in _NUMBERS]].reset_index(drop=True)
    numbers = [name for name in _NUMBERS if name != "seed"]
    cells = pd.concat([cells, table.iloc[shown][numbers].groupby(codes[shown]).mean()], axis=1).copy()
    for name in _OVER_SEEDS:
        bounds = _means(table.loc[good, name].to_numpy(float), codes[good], count)
        for end, values in zip(("", "_ci_low", "_ci_high"), bounds, strict=True):
            cells[f"{name}{end}"] = values
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
    """A list column's value as a list; a missing one as none."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else []


def _means(values: np.ndarray, codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 95 % interval of each cell's known values; without an interval where there is one value only."""
    known = ~np.isnan(values)
    values, codes = values[known], codes[known]
    values = values[np.argsort(codes, kind="stable")]
    sizes = np.bincount(codes, minlength=count)
    starts = np.cumsum(sizes) - sizes
    found = np.full((3, count), np.nan)
    for size in np.unique(sizes[sizes > 0]):
        cells = np.flatnonzero(sizes == size)
        found[:, cells] = mean_intervals(values[starts[cells, None] + np.arange(size)])
    return found[0], found[1], found[2]


def _by_seed(table: pd.DataFrame, codes: np.ndarray) -> pd.DataFrame:
    """The accuracy of each cell and seed that ended well: `cell seed accuracy`."""
    known = table.assign(cell=codes)[["cell", "seed", "accuracy"]]
    good = known[(table["status"] == "ok") & known["accuracy"].notna()]
    return good.drop_duplicates(["cell", "seed"], keep="last")


def _differences(seeds: pd.DataFrame, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean difference in accuracy of each cell from another, seed by seed; none from cell −1."""
    there = seeds.rename(columns={"cell": "other", "accuracy": "other_accuracy"})
    pairs = seeds.assign(other=others[seeds["cell"]]).merge(there, on=["other", "seed"])
    return _means((pairs["accuracy"] - pairs["other_accuracy"]).to_numpy(), pairs["cell"].to_numpy(), len(others))


def _rank_groups(cells: pd.DataFrame, seeds: pd.DataFrame, settings: list[tuple[str, ...]]) -> list[str | None]:
    """Each cell beside the best of its setting, at the 5 % level, corrected for all pairs of cells in all settings."""
    comparisons = compared_pairs(cells)
    standings: list[str | None] = [None] * len(cells)
    accuracy = cells["accuracy"].tolist()
    places: dict[tuple[str, ...], list[int]] = {}
    for i, setting in enumerate(settings):
        if not np.isnan(accuracy[i]):
            places.setdefault(setting, []).append(i)
    own = seeds.sort_values("cell")
    values = np.split(own["accuracy"].to_numpy(float), np.searchsorted(own["cell"], np.arange(1, len(cells))))
    for members in places.values():
        codes = np.repeat(np.arange(len(members)), [len(values[i]) for i in members])
        p_values = p_below_best(np.concatenate([values[i] for i in members]), codes, len(members))
        for i, p in zip(members, p_values.tolist(), strict=True):
            standings[i] = None if np.isnan(p) else "worse" if p * comparisons < 0.05 else "tied"
        standings[max(members, key=lambda i: accuracy[i])] = "best"
    return standings


def shown_better(results: Results, quality: Column) -> list[list[int]]:
    """For each cell the positions of those of its setting that it is shown to be better than."""
    good = results.rows[(results.rows["status"] == "ok") & results.rows[quality.name].notna()]
    seeds = good.assign(cell=results.places(good)).drop_duplicates(["cell", "seed"], keep="last").sort_values("cell")
    comparisons = compared_pairs(results.cells, quality.name)
    better: list[list[int]] = [[] for _ in range(len(results.cells))]
    for _, group in seeds.groupby(list(SETTING), dropna=False):
        codes, members = pd.factorize(group["cell"])
        values = group[quality.name].to_numpy(float) * (1 if quality.higher_is_better else -1)
        means = np.bincount(codes, values) / np.bincount(codes)
        for one in range(len(members)):
            below = (p_beside(values, codes, len(members), one) * comparisons < 0.05) & (means < means[one])
            better[members[one]] = members[below].tolist()
    return better


def compared_pairs(cells: pd.DataFrame, quality: str = "accuracy") -> int:
    """How many pairs of cells of one setting there are: for so many comparisons their rank_group is corrected.

    The best is compared with each other cell, but it was chosen by looking at all.
    """
    sizes = cells[cells[quality].notna()].groupby(list(SETTING), dropna=False).size()
    return int((sizes * (sizes - 1) // 2).sum())


def _keys(cells: pd.DataFrame, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in cells[list(columns)].to_numpy()]
