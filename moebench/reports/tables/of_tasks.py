"""The table of diagnostic tasks: the score card in numbers, with the rows oracle and chance."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.score_card import score_card
from moebench.reports.quantities import quantity, written, written_interval
from moebench.reports.tables.table import Field, Filled, Table, make
from moebench.results.schema import column


def _heading(row: "pd.Series[Any]") -> str:
    """Return task, score, slots for each token and unit of a column of the card."""
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
    if card["data"].nunique() < 2:
        return make("scores", "Score card", [])
    routers = list(dict.fromkeys(card["router"]))
    fields: list[Filled] = [(Field("router", "Router", number=False), *2 * (routers,))]
    for (data, name), found in card.groupby(["data", "quantity"], sort=False):
        kind, rows = quantity(str(name)).kind, found.set_index("router")
        texts, values = [], []
        for router in routers:
            value, low, high = (
                rows.loc[router, ["value", "low", "high"]].to_numpy(float) if router in rows.index else 3 * (np.nan,)
            )
            values.append(float(value))
            texts.append(written(value, kind) if np.isnan(low) else written_interval(value, low, high, kind))
        field = Field(f"{data} {name}", _heading(found.iloc[0]), better="higher", meaning=column(str(name)).meaning)
        fields.append((field, texts, values))
    return make("scores", "Score card: diagnostic tasks, from chance to the router that receives the truth", fields)
