"""Result tables of cells that claims are about, with accuracies set by hand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moebench.results.schema import COLUMNS


def cell(router: str, accuracies: Sequence[float], *, flops: float = 1e6, **settings: Any) -> pd.DataFrame:
    """A cell with a row for each accuracy, whose seeds count from 0.

    Args:
        router: name of the router.
        accuracies: of its seeds.
        flops: of a forward pass.
        settings: what was asked for besides, keys of a cell or options of the router; columns of the table take the
            values of keys of the same name.
    """
    keys = ("model", "data", "learning_rate", "steps")
    config: dict[str, Any] = {"router": router, "model": "mu/2", "data": "digits", "learning_rate": 1e-3}
    config |= {key: value for key, value in settings.items() if key in keys}
    options = {key: value for key, value in settings.items() if key not in keys}
    row = {
        "suite": "mine",
        "run_id": "20250102T030405-abc",
        "attempt": 1,
        "status": "ok",
        "device_kind": "cpu",
        "platform": "cpu",
        "classes": 10,
        "image_size": 8,
        "precision": "float32",
        "batch_size": 64,
        "train_loss": 0.1,
        "tokens_per_image": 16,
        "flops_forward_per_image": flops,
        "group_images": 1,
        "experts": 1,
        **config,
        **settings,
        "config": json.dumps({**config, "options": options}),
    }
    row["cell_id"] = json.dumps([router, sorted(settings.items())])
    frame = pd.DataFrame([row | {"seed": seed, "accuracy": value} for seed, value in enumerate(accuracies)])
    known = [column.name for column in COLUMNS]
    return frame[[name for name in frame if name in known]]


def table(*cells: pd.DataFrame) -> pd.DataFrame:
    """Several cells as one result table with every column of the schema."""
    return pd.concat(cells, ignore_index=True).reindex(columns=[column.name for column in COLUMNS])


def claim(**values: Any) -> Mapping[str, Any]:
    """The values of a claim as a suite file has them."""
    return {"says": "Soft MoE is better", "source": "2308.00951, section 3.3", **values}


def right(share: float, *, seeds: int = 3, images: int = 400, rng: int = 0) -> np.ndarray:
    """Which images each seed classifies right, bool[seeds, images], drawn at random."""
    return np.random.default_rng(rng).random((seeds, images)) < share
