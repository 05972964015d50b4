"""Pairs of cells that differ only in the keys that a comparison names.

Two cells match if everything that sets up an experiment is equal in both (whatever a suite may set beside the router;
experts and top_k if both have them), apart from the keys that the comparison names. Cells of one router must also agree
in all options of that router; options of two routers need not. Of several cells of one router that match a cell, those
are paired that have most settings in common with the cell, such as slots and options. Suite and machine decide between
cells with equal settings alone, so that no experiment is lost because of the host that ran it.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from moebench.claims.claim import TEST_TIME
from moebench.results.selection import config_of
from moebench.spec.cell_spec import CellSpec
from moebench.spec.tuning import TUNE

IDENTITY = ("suite", "cell_id")
SLOTS = "slots of an image"
"""Setting that follows from experts and slots, by which routers with different groups are compared."""
_KEYS = CellSpec.keys()
_OF_THE_ROUTER = ("router", "total_slots", "group_images")
"""Keys that belong to a router like its options."""
_NO_MATTER = ("router", "timing_budget_s", "checkpoint_every_s", "test_time")
"""Keys that are compared elsewhere, or have no effect on what is compared."""
_SETTING = (*(key for key in _KEYS if key not in (*_OF_THE_ROUTER, *_NO_MATTER)), "experts", "top_k")
_DEFAULTS = {key: CellSpec.model_fields[key].default for key in _KEYS if key != "router"}
FOLLOWING = ("slots_per_expert", "capacity_factor")
"""Options that follow from the number of slots if experts or top_k change."""
_MACHINE = ("suite", "device_kind", "cpu", "hostname", "cell_id")
_COLUMNS = {"batch": "batch_size"}
_IN_COLUMNS = (
    *("router", "model", "scope", "data", "image_size", "steps", "batch", "precision", "learning_rate"),
    *("moe_layers", "experts", "top_k"),
)
"""Settings that have a column, for rows without a readable `config`."""
_LOOKED_AT = 30
"""Number of cells of each side among which the nearest pair is searched if no pair matches."""

Differences = dict[str, tuple[Any, Any]]
"""Keys with the values of both sides."""


@dataclass(frozen=True)
class Cell:
    """All rows of one cell."""

    rows: pd.DataFrame
    good: pd.DataFrame
    """The rows of seeds with the status ok."""
    shared: "pd.Series[Any]"
    """Values that all seeds share: the row of the smallest seed with the status ok, or of the smallest seed."""
    settings: Mapping[str, Any]
    """Requested settings of the cell, by key; a key without a value is absent."""
    label: str = ""


@dataclass(frozen=True)
class Pair:
    """Two cells that match, and the settings in which they nevertheless differ."""

    a: Cell
    b: Cell
    differing: Differences

    @property
    def labels(self) -> tuple[str, str]:
        """Names of both cells; cells with equal settings share the longer name."""
        both = self.a.label, self.b.label
        alike = self.a.settings == self.b.settings
        return (max(both, key=len),) * 2 if alike else both

    @property
    def is_one_cell(self) -> bool:
        """Whether both sides are the same measurement."""
        return all(self.a.shared[key] == self.b.shared[key] for key in ("run_id", "cell_id", "attempt"))


@dataclass(frozen=True)
class Matching:
    """Pairs of cells, and the cells without a counterpart."""

    pairs: Sequence[Pair]
    only_a: Sequence[Cell]
    only_b: Sequence[Cell]
    in_the_way: Differences
    """Settings in which the two nearest cells differ, if there is no pair."""


def cells_of(table: pd.DataFrame) -> list[Cell]:
    """Return the cells of a result table that has every column of the schema."""
    groups = [rows for _, rows in table.groupby(list(IDENTITY), sort=False, dropna=False)]
    good = [rows[rows["status"] == "ok"] for rows in groups]
    shared = [_first_seed(rows if own.empty else own) for rows, own in zip(groups, good, strict=True)]
    return [Cell(*parts, _settings(parts[-1])) for parts in zip(groups, good, shared, strict=True)]


def match(a: Sequence[Cell], b: Sequence[Cell], named: Collection[str]) -> Matching:
    """Pair each cell of a selection with its nearest cells of another selection.

    Args:
        a: cells of the first selection.
        b: cells of the second selection.
        named: keys in which a pair may differ, because both selections give values to them.
    """
    agreeing: dict[int, dict[int, int]] = {}
    differing: dict[tuple[int, int], Differences] = {}
    for i, j in _candidates(a, b, named):
        obstacles, others, count = _compared(a[i], b[j], named)
        if not obstacles:
            agreeing.setdefault(i, {})[j], differing[i, j] = count, others
    kept = [(i, j) for i, counts in agreeing.items() for j in _nearest(a[i], b, counts)]
    paired_a, paired_b = {i for i, _ in kept}, {j for _, j in kept}
    near = (_compared(x, y, named)[0] for x in a[:_LOOKED_AT] for y in b[:_LOOKED_AT])
    return Matching(
        pairs=[Pair(a[i], b[j], differing[i, j]) for i, j in kept],
        only_a=[cell for i, cell in enumerate(a) if i not in paired_a],
        only_b=[cell for j, cell in enumerate(b) if j not in paired_b],
        in_the_way={} if kept else min(near, key=len),
    )


def _candidates(a: Sequence[Cell], b: Sequence[Cell], named: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield positions of cells that agree in every setting that all cells have.

    No other cells can match.
    """
    shared = [key for key in _SETTING if key not in named and all(key in cell.settings for cell in (*a, *b))]

    def setting(cell: Cell) -> tuple[Any, ...]:
        return tuple(cell.settings[key] for key in shared)

    places: dict[tuple[Any, ...], list[int]] = {}
    for j, cell in enumerate(b):
        places.setdefault(setting(cell), []).append(j)
    for i, cell in enumerate(a):
        yield from ((i, j) for j in places.get(setting(cell), ()))


def _nearest(cell: Cell, others: Sequence[Cell], counts: Mapping[int, int]) -> list[int]:
    """Return the positions of the cells to pair with a cell, in ascending order.

    Cells of two routers do not compete, because routers have different numbers of settings.

    Args:
        cell: the cell to pair.
        others: cells of the other selection.
        counts: for each position that matches the number of settings in common with `cell`.
    """
    most: dict[Any, int] = {}
    for j, count in counts.items():
        router = others[j].settings.get("router")
        most[router] = max(most.get(router, -1), count)
    alike: dict[str, list[int]] = {}
    for j, count in sorted(counts.items()):
        settings = others[j].settings
        if count == most[settings.get("router")]:
            key = repr(sorted((name, repr(value)) for name, value in settings.items() if name not in _NO_MATTER[1:]))
            alike.setdefault(key, []).append(j)
    found = []
    for places in alike.values():
        shared = [_machines_shared(cell, others[j]) if len(places) > 1 else 0.0 for j in places]
        found += [j for j, share in zip(places, shared, strict=True) if share == max(shared)]
    return sorted(found)


def _machines_shared(a: Cell, b: Cell) -> float:
    """Return the number of columns of suite and machine in which two cells agree.

    A column with several values, such as the hosts of the seeds, counts by the share of values that both cells have.
    """
    values = [[set(cell.rows[key].astype(str)) for key in _MACHINE] for cell in (a, b)]
    return sum(len(ours & theirs) / len(ours | theirs) for ours, theirs in zip(*values, strict=True))


def _first_seed(rows: pd.DataFrame) -> "pd.Series[Any]":
    """Return the row of the smallest seed, in whatever order the rows are."""
    return rows.iloc[int(rows["seed"].to_numpy(dtype=np.float64).argmin())]


def _settings(row: "pd.Series[Any]") -> dict[str, Any]:
    config = config_of(row["config"])
    # A key that is younger than the row had its default when the row was made.
    settings = _DEFAULTS | config if config else {key: row[_COLUMNS.get(key, key)] for key in _IN_COLUMNS}
    # Unrequested values come from the data set or the model; the precision has its current name.
    settings |= {key: row.get(key) for key in ("image_size", "precision", "mlp_ratio", "position_init")}
    for key in settings.get(TUNE) or ():
        settings.pop(key, None)  # chosen for the cell, or given to its pre-training
    settings[TUNE] = json.dumps(settings[TUNE], sort_keys=True) if settings.get(TUNE) else "nothing"
    if row["router"] == "dense":
        settings.pop("experts", None)  # the column's 1 is not a chosen value
    elif row["group_images"] > 0:
        settings[SLOTS] = row["total_slots"] / row["group_images"]
    return {key: value for key, value in settings.items() if value is not None and value == value}


def _compared(a: Cell, b: Cell, named: Collection[str]) -> tuple[Differences, Differences, int]:
    """Return the differences that prevent a match, the other differences, and the number of equal settings."""
    same_router = a.settings.get("router") == b.settings.get("router")
    obstacles: Differences = {}
    differing: Differences = {}
    agreeing = 0
    if not same_router and "router" not in named:
        obstacles["router"] = (a.settings.get("router"), b.settings.get("router"))
    for key in sorted(a.settings.keys() & b.settings.keys() - {*named, *_NO_MATTER}):
        values = a.settings[key], b.settings[key]
        if values[0] == values[1]:
            agreeing += 1
        elif (
            key in _SETTING or key.startswith(TEST_TIME) or (same_router and not (named and key in (*FOLLOWING, SLOTS)))
        ):
            obstacles[key] = values
        else:
            differing[key] = values
    return obstacles, differing, agreeing
