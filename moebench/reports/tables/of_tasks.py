"""The table of diagnostic tasks: the score card in numbers, with the rows oracle and chance."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.score_card import COST, score_card
from moebench.reports.quantities import quantity, written, written_interval
from moebench.reports.tables.table import Better, Field, Filled, Table, make
from moebench.results.schema import column

_COST = "forward FLOPs over those of dense, the geometric mean over all tasks"


def _heading(row: "pd.Series[Any]") -> str:
    """Return task, score, slots for each token and unit of a column of the card."""
    if row["quantity"] == COST:
        return "FLOPs, times dense"
    of = quantity(str(row["quantity"]))
    slots = row["slots_per_token"]
    at = "" if np.isnan(slots) else f" at k·C = {Fraction(slots).limit_denominator(64)}"
    unit = "" if of.kind == "share" else f" ({of.unit})"
    return f"{row['data']}: {' '.join(str(row['title']).split())}{at}{unit}"


def scores(results: Results) -> Table:
    """Return the score of each router on each of several diagnostic tasks.

    The table is empty if there are no two tasks, or if routers have several cells of one task.
    """
    try:
        card = score_card(results)
    except BadInput:
        return make("scores", "Score card", [])
    if card.loc[card["quantity"] != COST, "data"].nunique() < 2:
        return make("scores", "Score card", [])
    routers = list(dict.fromkeys(card["router"]))
    fields: list[Filled] = [(Field("router", "Router", number=False), *2 * (routers,))]
    for (data, name), found in card.groupby(["data", "quantity"], sort=False):
        cost, rows = name == COST, found.set_index("router")
        kind = "ratio" if cost else quantity(str(name)).kind
        texts, values = [], []
        for router in routers:
            value, low, high = (
                rows.loc[router, ["value", "low", "high"]].to_numpy(float) if router in rows.index else 3 * (np.nan,)
            )
            values.append(float(value))
            texts.append(written(value, kind) if np.isnan(low) else written_interval(value, low, high, kind))
        meaning = _COST if cost else column(str(name)).meaning
        better: Better = "lower" if cost else "higher"
        field = Field(f"{data} {name}", _heading(found.iloc[0]), better=better, meaning=meaning)
        fields.append((field, texts, values))
    return make("scores", "Score card: diagnostic tasks, from chance to the router that receives the truth", fields)
