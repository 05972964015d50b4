"""Pack frames for the page: by columns, with only as many digits as readers see."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from moebench.reports.analysis.cells import listed

DIGITS = 6
DIGITS_DRAWN = 4
"""Digits of numbers that are only drawn."""
DIGITS_OF_MANY = 3
"""Digits of the bounds of very many cells."""

Packed = dict[str, Any]


def columns(frame: pd.DataFrame, digits: int = DIGITS) -> Packed:
    """Return a frame by columns for JSON, without columns that have no value.

    Numbers are lists, whole or with the given digits, with null for missing and infinite ones; texts are as in `texts`.
    """
    out: Packed = {}
    for name in frame.columns:
        values = frame[name]
        if values.isna().all():
            continue
        if values.dtype == object and values.map(lambda value: isinstance(value, (list, tuple))).any():
            out[str(name)] = texts([", ".join(map(str, listed(value))) for value in values])
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            out[str(name)] = [_short(float(value), digits) for value in values]
        else:
            out[str(name)] = texts([None if pd.isna(value) else str(value) for value in values])
    return out


def texts(values: Iterable[str | None]) -> Packed:
    """Return texts as `{"of": distinct texts, "at": position of each}`.

    The position of a missing text is -1.
    """
    codes, distinct = pd.factorize(pd.Series(list(values), dtype=object))
    return {"of": list(distinct), "at": codes.tolist()}


def numbers(values: Sequence[float], digits: int = DIGITS) -> list[float | int | None]:
    """Return numbers with the given digits, null for missing and infinite ones."""
    return [_short(float(value), digits) for value in values]


def _short(value: float, digits: int) -> float | int | None:
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.{digits}g}")
