"""Count how often each expert gets tokens of each class and of each position."""

import numpy as np
import pandas as pd

from moebench.inside.analyses.keys import by_layer, codes, is_soft, listed


def weights_of(rows: pd.DataFrame, *, processed: bool = False) -> pd.DataFrame:
    """Return the rows that name an expert, with a column `weight`.

    The weight is the part of a token that the expert gets.

    Args:
        rows: rows of one layer.
        processed: whether dropped choices are left out.

    Returns:
        A choice of a hard router has weight 1. A slot of a soft router has its combine weight; the part that a
        recording leaves out of the slot is in the slot's row of token -1.
    """
    if is_soft(rows):
        named = rows[rows["expert"] >= 0]
        return named.assign(weight=named["combine"].to_numpy(float))
    named = listed(rows)
    if processed:
        named = named[~named["dropped"]]
    return named.assign(weight=1.0)


def class_counts(frame: pd.DataFrame, *, processed: bool = False) -> pd.DataFrame:
    """Return each expert's part of each class's tokens (2106.05974, figure 8).

    Args:
        frame: rows of recordings.
        processed: whether dropped choices are left out.

    Returns:
        KEYS, expert, label, weight (choices, or combine weight of a soft router), share (of the class's weight) and
        lift (share over the expert's share of all weight; 1 if the expert is independent of the class).
    """
    return by_layer(frame, lambda rows: _table(weights_of(rows, processed=processed), "label"))


def position_counts(frame: pd.DataFrame, *, processed: bool = False) -> pd.DataFrame:
    """Return each expert's part of each position's tokens (2106.05974, figure 31).

    Args:
        frame: rows of recordings.
        processed: whether dropped choices are left out.

    Returns:
        KEYS, expert, token, weight, share and lift, as in `class_counts`. Weights that the recording of a soft router
        leaves out are missing.
    """
    return by_layer(frame, lambda rows: _table(listed(weights_of(rows, processed=processed)), "token"))


def _table(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    values, column = codes(rows[by])
    experts = int(rows["experts"].iloc[0])
    places = column * experts + rows["expert"].to_numpy()
    weight = np.bincount(places, rows["weight"], minlength=len(values) * experts).reshape(len(values), experts)
    with np.errstate(invalid="ignore", divide="ignore"):  # an expert without any weight has no lift
        share = weight / weight.sum(1, keepdims=True)
        lift = share / (weight.sum(0) / weight.sum())
    expert, value = np.meshgrid(np.arange(experts), values)
    flat = {"expert": expert, by: value, "weight": weight, "share": share, "lift": lift}
    return pd.DataFrame({name: array.reshape(-1) for name, array in flat.items()})
