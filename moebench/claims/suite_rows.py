"""The cells of one suite on one device, with the values by which claims select."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from moebench.claims.cell_values import CellValues, pools_of
from moebench.claims.claim import TEST_TIME, Selection, selects
from moebench.claims.matching import Cell, cells_of
from moebench.results import COLUMNS, at_test_time

_NUMBERS = {column.name: float for column in COLUMNS if column.numeric}


@dataclass(frozen=True)
class SuiteRows:
    """Result rows of one suite and kind of device, as cells."""

    cells: list[Cell]
    _values: dict[str, CellValues] = field(default_factory=dict, compare=False)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> "SuiteRows":
        """Return the cells of result rows, one row for each cell and seed."""
        return cls(cells_of(complete(frame)))

    @classmethod
    def at_test_time(cls, frame: pd.DataFrame) -> "SuiteRows":
        """Return one cell for each setting in which a trained model was evaluated.

        Raises:
            BadInput: no model was evaluated in other settings.
        """
        good = frame["status"] == "ok"
        flat = at_test_time(frame[good])
        table = flat.assign(
            cell_id=flat["cell_id"] + " " + flat[f"{TEST_TIME}setting"],
            accuracy=flat[f"{TEST_TIME}accuracy"],
            eval_loss=flat[f"{TEST_TIME}eval_loss"],
            flops_forward_per_image=flat[f"{TEST_TIME}flops_forward_per_image"],
        )
        settings = dict(zip(table["cell_id"], table[f"{TEST_TIME}setting"], strict=True))
        # A seed whose training failed fails in every setting.
        ids = table[["cell_id"]].assign(trained=flat["cell_id"]).drop_duplicates()
        failed = ids.merge(frame[~good].rename(columns={"cell_id": "trained"}), on="trained").drop(columns="trained")
        cells = cells_of(complete(pd.concat([table, failed], ignore_index=True) if len(failed) else table))
        found = [replace(cell, settings=_with_setting(cell, settings[cell.shared["cell_id"]])) for cell in cells]
        # The setting of the training comes first, and may occur again among the tried settings.
        once: dict[str, Cell] = {}
        for cell in found:
            once.setdefault(repr(sorted((key, _plain(value)) for key, value in cell.settings.items())), cell)
        return cls(list(once.values()))

    def select(self, selection: Selection) -> list[int]:
        """Return the numbers of the cells that a selection names."""
        return [number for number, ways in enumerate(self._ways) if selects(selection, ways)]

    @cached_property
    def _ways(self) -> list[Mapping[str, Any]]:
        return [_ways(cell) for cell in self.cells]

    def values(self, metric: str) -> CellValues:
        """Return a metric of all cells, computed once."""
        if metric not in self._values:
            self._values[metric] = CellValues.from_cells([cell.good for cell in self.cells], metric)
        return self._values[metric]

    @cached_property
    def pools(self) -> list[tuple[str, ...]]:
        """The pool of each cell, whose cells scatter alike."""
        return pools_of(pd.DataFrame([cell.shared for cell in self.cells]))


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with every column of the schema, numbers as floats."""
    table = frame.reindex(columns=[column.name for column in COLUMNS]).reset_index(drop=True)
    table["slots_per_image"] = table["slots_per_image"].fillna(table["total_slots"] / table["group_images"])
    return table.astype(_NUMBERS).copy()


def values_of_cell(cell: Cell) -> Mapping[str, Any]:
    """Return a cell's requested settings, and the values of its row for other keys.

    A missing number is None.
    """
    row = {str(key): None if _is_missing(value) else value for key, value in cell.shared.items()}
    # Rows count the slots of a group, suites the slots of an image, also as texts.
    slots = row["slots_per_image"]
    ways = {slots, "tokens"} if slots == row["tokens_per_image"] else {slots}
    return {**row, "total_slots": frozenset(ways), **cell.settings}


def _ways(cell: Cell) -> Mapping[str, Any]:
    """Return the values by which a selection may name a cell.

    None is one of the values of a key that was not requested.
    """
    found: dict[str, Any] = {}
    for key, value in values_of_cell(cell).items():
        found[key] = value
        if key not in cell.settings and isinstance(value, Hashable):
            found[key] = frozenset({None, *(value if isinstance(value, frozenset) else (value,))})
    return found


def _plain(value: Any) -> str:
    """Return a value as text; 1 and 1.0 give equal texts."""
    return repr(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _with_setting(cell: Cell, setting: str) -> dict[str, Any]:
    """Return a trained cell's settings, with the evaluation's settings under keys of their own."""
    tried = cell.settings.get("test_time") or ()
    keys = {"router", *(key for each in tried for key in each)}
    changed = json.loads(setting)
    evaluated = {f"{TEST_TIME}{key}": changed.get(key, cell.settings.get(key)) for key in sorted(keys | changed.keys())}
    return {**cell.settings, **{key: value for key, value in evaluated.items() if value is not None}}
