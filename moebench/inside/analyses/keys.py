"""Split a frame of recordings into layers, and name the layers in results."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from moebench.errors import BadInput

KEYS = ("suite", "cell_id", "cell", "router", "seed", "step", "layer")
"""Columns that name one layer of one recording."""


def by_layer(
    frame: pd.DataFrame, analyse: Callable[[pd.DataFrame], pd.DataFrame], keys: tuple[str, ...] = KEYS
) -> pd.DataFrame:
    """Return an analysis of each layer as one frame, with the layer's names in front.

    Args:
        frame: rows of recordings.
        analyse: called with the rows of one layer, or of another part that the keys name.
        keys: columns whose values name a part.

    Raises:
        BadInput: the frame has no rows.
    """
    if frame.empty:
        raise BadInput("there are no rows of a recording to analyse.")
    parts = []
    for _, rows in frame.groupby([name for name in keys if name not in ("cell", "router")], observed=True, sort=False):
        found = analyse(rows)
        names = rows.iloc[0][list(keys)]
        for place, name in enumerate(keys):
            found.insert(place, name, names[name])
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def is_soft(rows: pd.DataFrame) -> bool:
    """Return whether the rows are of a router whose slots contain mixtures of tokens."""
    return bool(rows["dispatch"].notna().any())


def require(rows: pd.DataFrame, *, soft: bool, what: str) -> None:
    """Raise unless the rows are of a soft router, or of a hard one.

    Args:
        rows: rows of one router.
        soft: whether the router has to be soft.
        what: what the other kind of router lacks, for the message.

    Raises:
        BadInput: the router is of the other kind.
    """
    if is_soft(rows) != soft:
        cell = rows["cell"].iloc[0]
        why = "its slots hold single tokens" if soft else "every token has a part in every slot"
        raise BadInput(f"{cell} has no {what}: {why}.")


def listed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that name both a token and an expert."""
    return rows[(rows["expert"] >= 0) & (rows["token"] >= 0)]


def codes(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values in order, and the number of each row's value among them."""
    distinct, numbers = np.unique(values.to_numpy(), return_inverse=True)
    return distinct, numbers


def run_places(*keys: np.ndarray) -> np.ndarray:
    """Return the place of each row in its run of equal keys, from 0.

    The rows of a run are consecutive.
    """
    count = len(keys[0])
    begins = np.zeros(count, bool)
    begins[:1] = True
    for key in keys:
        begins[1:] |= key[1:] != key[:-1]
    first = np.maximum.accumulate(np.where(begins, np.arange(count), 0))
    return np.arange(count) - first
