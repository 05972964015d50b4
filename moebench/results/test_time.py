"""Flatten the settings at test time into rows of their own, for pandas."""

from typing import TYPE_CHECKING

from moebench.errors import BadInput
from moebench.results.schema import COLUMNS, TEST_TIME_FIELDS

if TYPE_CHECKING:
    import pandas as pd

KEPT = tuple(c.name for c in COLUMNS if c.group in ("identity", "inputs", "environment"))


def at_test_time(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return one row for each cell, seed and setting at test time.

    Args:
        frame: the result table, one row for each cell and seed, with its column `test_time`.

    Returns:
        The frame's columns of identity, inputs and environment, which describe the training, and the columns of the
        setting with `test_` before their names: `test_router`, `test_top_k`, `test_accuracy` and so on, as
        `moebench.results.schema.TEST_TIME_FIELDS` explains them. The trained setting is the first of each cell and
        seed; its `test_setting` is `{}`.

    Raises:
        BadInput: no row was evaluated in other settings.
    """
    import pandas as pd

    kept = [name for name in KEPT if name in frame]
    settings = frame["test_time"] if "test_time" in frame else pd.Series([None] * len(frame), index=frame.index)
    rows = [
        (*row, *(setting.get(field.name) for field in TEST_TIME_FIELDS))
        for row, tried in zip(frame[kept].itertuples(index=False, name=None), settings, strict=True)
        if tried is not None and not isinstance(tried, float)
        for setting in tried
    ]
    if not rows:
        raise BadInput("no row of these results was evaluated in other settings: their suites have no test_time.")
    flat = pd.DataFrame(rows, columns=[*kept, *(f"test_{field.name}" for field in TEST_TIME_FIELDS)])
    numbers = [f"test_{field.name}" for field in TEST_TIME_FIELDS if field.numeric]
    return flat.astype(dict.fromkeys(numbers, float))
