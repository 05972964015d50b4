"""Rows of the result table for the tests of the results room."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moebench.results import Store, write_rows

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(cell_id: str = "c1", seed: int = 0, **values: Any) -> dict[str, Any]:
    """A plausible row, whose columns can be set by name."""
    return {
        "suite": "small",
        "run_id": "r1",
        "cell_id": cell_id,
        "fingerprint": "f1",
        "seed": seed,
        "attempt": 1,
        "status": "ok",
        "started_at": BEGAN + timedelta(seconds=int(seed)),
        "router": "soft",
        "accuracy": 0.9,
        "curve_loss": [2.0, 1.0],
        "expert_load": [[0.5, 0.5], [0.25, 0.75]],
    } | values


def finish(store: Store, cell_id: str, seeds: tuple[int, ...] = (0, 1), **values: Any) -> Path:
    """A cell of `run_id` (r1 unless given) has finished: its file lies among the unsealed ones."""
    values = {"run_id": "r1", "suite": store.suite, "attempt": 1} | values
    rows = [row(cell_id, seed, **values) for seed in seeds]
    return write_rows(rows, store.cell_file(values["run_id"], cell_id, values["attempt"]))
