"""Which cell of one selection is to be set against which cell of another.

Two cells match when everything that sets up an experiment is the same in both (whatever a suite may set beside the
router; experts and top_k where both have them), apart from keys to which both selections give values. Cells of one
router must also agree in all options of that router; options of two routers need not. Of several that match, those
count that have most else in common: slots, options, suite, machine, the cell's hash.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from moebench.reports.analysis.cells import IDENTITY, prepared
from moebench.reports.labels import cell_labels
from moebench.results.selection import config_of
from moebench.spec.cell_spec import CellSpec

_KEYS = CellSpec.keys()
_OF_THE_ROUTER = ("router", "total_slots", "group_images")
"""Keys that belong to a router like its options."""
_NO_MATTER = ("router", "timing_budget_s", "checkpoint_every_s", "test_time")
"""Keys that are looked at elsewhere, or change nothing that is compared."""
_SETTING = (*(key for key in _KEYS if key not in (*_OF_THE_ROUTER, *_NO_MATTER)), "experts", "top_k")
_DEFAULTS = {key: CellSpec.model_fields[key].default for key in _KEYS if key != "router"}
_FOLLOWING = ("slots_per_expert", "capacity_factor")
"""Options that follow from the number of slots when experts or top_k are changed."""
_SLOTS = "slots of an image"
_MACHINE = ("suite", "device_kind", "cpu", "hostname", "cell_id")
_COLUMNS = {"batch": "batch_size"}
_IN_COLUMNS = (
    *("router", "model", "scope", "data", "image_size", "steps", "batch", "precision", "learning_rate"),
    *("moe_layers", "experts", "top_k"),
)
"""Of the settings those that have a column, for rows that do not say what was asked for."""
_LOOKED_AT = 30
"""Cells of each side among which the nearest are looked for where none match."""

Differences = dict[str, tuple[Any, Any]]
"""Keys with their values on either side."""


@dataclass(frozen=True)
class Cell:
    """All rows of one cell."""

    label: str
    rows: pd.DataFrame
    good: pd.DataFrame
    """The rows of seeds that ended well."""
    shared: "pd.Series[Any]"
    """A row for the values that all seeds share; of a seed that ended well, if one did."""
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two cells that match, and what of their settings differs all the same."""

    a: Cell
    b: Cell
    differing: Differences

    @property
    def labels(self) -> tuple[str, str]:
        """Names of both, the same one where they were set up alike: what told either from its own side's others."""
        both = self.a.label, self.b.label
        alike = self.a.settings == self.b.settings
        return (max(both, key=len),) * 2 if alike else both

    @property
    def is_one_cell(self) -> bool:
        """Whether both sides are the very same measurement."""
        return all(self.a.shared[key] == self.b.shared[key] for key in ("run_id", "cell_id", "attempt"))


@dataclass(frozen=True)
class Matching:
    """Pairs, and the cells that have no counterpart."""

    pairs: Sequence[Pair]
    only_a: Sequence[Cell]
    only_b: Sequence[Cell]
    in_the_way: Differences
    """Where there is no pair: in what the two cells that come nearest differ."""


def cells_of(frame: pd.DataFrame) -> list[Cell]:
    """The cells of a result table, with labels that tell them apart."""
    table = prepared(frame)
    groups = [rows for _, rows in table.groupby(list(IDENTITY), sort=False, dropna=False)]
    good = [rows[rows["status"] == "ok"] for rows in groups]
    shared = [(rows if own.empty else own).iloc[0] for rows, own in zip(groups, good, strict=True)]
    labels = cell_labels(pd.DataFrame(shared).reset_index(drop=True))
    settings = [_settings(row) for row in shared]
    return [Cell(*parts) for parts in zip(labels, groups, good, shared, settings, strict=True)]


def match(a: Sequence[Cell], b: Sequence[Cell], named: Collection[str]) -> Matching:
    """Pair the cells of two selections; `named` are the keys to which both give values."""
    agreeing, differing = {}, {}
    for i, j in _candidates(a, b, named):
        obstacles, others, count = _compared(a[i], b[j], named)
        if not obstacles:
            agreeing[i, j], differing[i, j] = count, others
    best_a: dict[int, int] = {}
    best_b: dict[int, int] = {}
    for (i, j), count in agreeing.items():
        best_a[i] = max(best_a.get(i, -1), count)
        best_b[j] = max(best_b.get(j, -1), count)
    kept = [(i, j) for (i, j), count in agreeing.items() if count == best_a[i] == best_b[j]]
    paired_a, paired_b = {i for i, _ in kept}, {j for _, j in kept}
    near = (_compared(x, y, named)[0] for x in a[:_LOOKED_AT] for y in b[:_LOOKED_AT])
    return Matching(
        pairs=[Pair(a[i], b[j], differing[i, j]) for i, j in kept],
        only_a=[cell for i, cell in enumerate(a) if i not in paired_a],
        only_b=[cell for j, cell in enumerate(b) if j not in paired_b],
        in_the_way={} if kept else min(near, key=len),
    )


def _candidates(a: Sequence[Cell], b: Sequence[Cell], named: Collection[str]) -> Iterator[tuple[int, int]]:
    """Places of cells that agree in whatever every cell says of its setting; the rest need not be looked at."""
    told = [key for key in _SETTING if key not in named and all(key in cell.settings for cell in (*a, *b))]

    def setting(cell: Cell) -> tuple[Any, ...]:
        return tuple(cell.settings[key] for key in told)

    places: dict[tuple[Any, ...], list[int]] = {}
    for j, cell in enumerate(b):
        places.setdefault(setting(cell), []).append(j)
    for i, cell in enumerate(a):
        yield from ((i, j) for j in places.get(setting(cell), ()))


def _settings(row: "pd.Series[Any]") -> dict[str, Any]:
    config = config_of(row["config"])
    # A key that is younger than the row had its default then.
    settings = _DEFAULTS | config if config else {key: row[_COLUMNS.get(key, key)] for key in _IN_COLUMNS}
    # As the data set has it, where none was asked for; and as the precision is called today.
    settings |= {key: row[key] for key in ("image_size", "precision")}
    if row["router"] == "dense":
        settings.pop("experts", None)  # the column's 1 is no choice of anyone's
    elif row["group_images"] > 0:
        settings[_SLOTS] = row["total_slots"] / row["group_images"]
    return {key: value for key, value in settings.items() if value is not None and value == value}


def _compared(a: Cell, b: Cell, named: Collection[str]) -> tuple[Differences, Differences, int]:
    """What keeps two cells from matching, what else differs, and in how much else they agree."""
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
        elif key in _SETTING or (same_router and not (named and key in (*_FOLLOWING, _SLOTS))):
            obstacles[key] = values
        else:
            differing[key] = values
    agreeing += sum(str(a.shared[key]) == str(b.shared[key]) for key in _MACHINE)
    return obstacles, differing, agreeing
