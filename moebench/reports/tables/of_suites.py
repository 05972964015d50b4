"""Tables with a row for each router, configuration or property of the machine."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from moebench.claims import written
from moebench.claims.verdict import Verdict
from moebench.errors import BadInput
from moebench.reports import run_facts
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.divergence import stability
from moebench.reports.analysis.expert_trend import trends_together
from moebench.reports.analysis.gains import gains as found_gains
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.quantities import written as written_number
from moebench.reports.tables.table import Field, Filled, Table, known, make, points
from moebench.results.schema import column

Row = Mapping[Any, Any]
_SLOPES = "slope of a line through the seeds' values; the intervals of all routers hold at once in 95 %"
_GAINS = (
    "difference of cells paired by seed and test image, corrected for all rows; capacity: more parameters or experts "
    "without learned routing; mixing: slots of one expert; learned routing: against fixed or random choices"
)


def claims(verdicts: Sequence[Verdict]) -> Table:
    """Return the verdict on each claim of a suite, beside what its source printed."""
    lines = written.lines(verdicts)
    fields: list[Filled] = []
    for place, heading in enumerate(written.HEADINGS):
        texts = [line[place] for line in lines]
        values = [verdict.verdict for verdict in verdicts] if heading == "verdict" else texts
        fields.append((Field(heading, heading.capitalize(), number=False), texts, values))
    return make("claims", "Claims", fields)


def gains(results: Results) -> Table:
    """Return the parts of the gain over dense, estimated from a suite's control cells."""
    found = found_gains(results)
    several = found["device_kind"].nunique() > 1
    names = [f"{a} − {b}" for a, b in zip(found["a"], found["b"], strict=True)]
    fields: list[Filled] = [
        (Field("part", "Comes from", number=False), *2 * (found["part"].tolist(),)),
        (Field("compared", "Compared", number=False), *2 * (names,)),
        *([(Field("device_kind", "Device", number=False), *2 * (found["device_kind"].tolist(),))] if several else []),
        *(
            (Field(name, title), [written_number(value, "ratio") for value in found[name]], found[name].tolist())
            for name, title in (("params", "Parameters"), ("flops", "FLOPs"))
        ),
        (Field("found", "Accuracy", number=False, meaning=_GAINS), found["text"].tolist(), found["effect"].tolist()),
    ]
    return make("gains", "Where does the gain come from", fields)


def slopes(rows: pd.DataFrame) -> Table:
    """Return the change of accuracy of each router with each doubling of its experts."""
    found = trends_together(rows)
    found = found if found["slope"].notna().any() else found.iloc[:0]
    records = found.to_dict("records")
    changes = [points(*row) for row in zip(found["slope"], found["low"], found["high"], strict=True)]
    verdicts = [_verdict(row) for row in records]
    fields: list[Filled] = [
        (Field("router", "Router", number=False), *2 * (found["router"].astype(str).tolist(),)),
        *_settings(found),
        (
            Field("slope", "Points for each doubling", better="higher", meaning=_SLOPES),
            changes,
            found["slope"].tolist(),
        ),
        (Field("levels", "Numbers of experts"), *2 * (found["levels"].astype(str).tolist(),)),
        (Field("verdict", "Verdict", number=False), verdicts, verdicts),
    ]
    return make("slopes", "Accuracy for each doubling of the experts", fields)


def divergence(rows: pd.DataFrame) -> Table:
    """Return the learning rates from which on each configuration diverges.

    The table is empty if only one rate was tried.
    """
    try:
        records = stability(rows).to_dict("records")
    except BadInput:
        return make("divergence", "Divergence over learning rates", [])
    columns: dict[Field, Callable[[Row], str]] = {
        Field("label", "Configuration", number=False): lambda row: str(row["label"]),
        Field("rates", "Learning rates"): lambda row: f"{row['rates']} from {row['lowest']:g} to {row['highest']:g}",
        Field("first", "First divergence"): lambda row: known(row["first"]),
        Field("diverged", "Seeds there"): lambda row: (
            "–" if isnan(row["first"]) else f"{row['diverged']} of {row['seeds']}"
        ),
        Field("all", "All seeds from"): lambda row: known(row["all"]),
        Field("step", "Step"): lambda row: known(row["step"]),
    }
    fields = [
        (field, [show(row) for row in records], [row[field.key] for row in records]) for field, show in columns.items()
    ]
    return make("divergence", "Divergence over learning rates", fields)


def environment(rows: pd.DataFrame) -> Table:
    """Return machines and versions, a column for each environment, a row for each property."""
    found = run_facts.environments(rows)
    heads = ["Value"] if len(found) == 1 else [f"Environment {place + 1}" for place in range(len(found))]
    names = [column(name).title if name != "rows" else "Rows" for name in found.columns]
    fields: list[Filled] = [(Field("property", "Property", number=False), names, names)]
    for place, head in enumerate(heads):
        texts = [known(value) for value in found.iloc[place]]
        fields.append((Field(f"environment_{place}", head, number=False), texts, texts))
    return make("environment", "Environment", fields)


def _settings(found: pd.DataFrame) -> list[Filled]:
    """Return the columns of the setting in which the rows differ."""
    varying = [key for key in SETTING if found[key].nunique() > 1]
    return [(Field(key, column(key).title, number=False), *2 * (found[key].astype(str).tolist(),)) for key in varying]


def _verdict(row: Row) -> str:
    if isnan(row["slope"]):
        return "too few numbers of experts"
    return "rises" if row["low"] > 0 else "falls" if row["high"] < 0 else "not significant"
