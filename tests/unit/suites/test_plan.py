"""Plans of tuned cells: seeds that are added later take the choice of the seeds that ran."""

from typing import Any

import pytest

from moebench.results import Finished
from moebench.spec.cell_spec import CellSpec
from moebench.suites.grid import Cell
from moebench.suites.plan import PlannedCell, plan

TUNE = {"learning_rate": (1e-3, 1e-2), "warmup": (0.0, 0.1)}
DONE = {("cell", 0): Finished("ok", "code", 1, "[tries]"), ("other", 0): Finished("ok", "code", 1, "[others]")}


def planned(known: dict[tuple[str, int], Finished], **changes: Any) -> PlannedCell:
    answer = {"cell_id": "cell", "fingerprint": "code", "label": "dense", "inputs": {}}
    keys: dict[str, Any] = {"router": "dense", "seeds": (0, 1), "tune": TUNE}
    keys |= {key: changes.pop(key) for key in ("seeds", "tune") if key in changes}
    return plan(Cell(CellSpec(**keys)), answer, known, **changes)


@pytest.mark.parametrize(
    ("known", "changes", "tuning", "tries"),
    [
        ({}, {}, None, 4),
        (DONE, {}, "[tries]", 0),
        (DONE, {"seeds": (1,)}, "[tries]", 0),
        (DONE, {"seeds": (0,)}, "[tries]", 0),
        (DONE, {"fresh": True}, None, 4),
        (DONE, {"tune": {}}, None, 0),
        ({("cell", 0): Finished("ok", "changed", 1, "[tries]")}, {}, None, 4),
        ({("cell", 0): Finished("crashed", "code", 1)}, {}, None, 4),
        ({("cell", 0): Finished("crashed", "code", 1), ("cell", 7): DONE["cell", 0]}, {}, "[tries]", 0),
    ],
)
def test_tries_are_taken_from_seeds_of_the_same_cell_and_code(
    known: dict[tuple[str, int], Finished], changes: dict[str, Any], tuning: str | None, tries: int
) -> None:
    found = planned(known, **changes)
    assert (found.tuning, found.tries) == (tuning, tries)
