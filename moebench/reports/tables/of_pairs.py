"""The table of cells with a text tower.

Rows are the cells, then chance, then printed results of a paper.
"""

from collections.abc import Iterable

import numpy as np

from moebench.papers import results as published
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.pair_scores import PRINTED_SIZE, SCORES, pair_scores
from moebench.reports.quantities import written, written_interval
from moebench.reports.tables.table import Field, Filled, Table, make
from moebench.results.schema import column

_DEEPER = tuple(f"{way}_r{depth}" for way in ("image_to_text", "text_to_image") for depth in (5, 10))


def pairs(results: Results) -> Table:
    """Return the tests of each text-tower cell, with chance and printed results below."""
    scores = pair_scores(results)
    if scores.empty:
        return make("pairs", "Images and texts", [])
    cells = list(dict.fromkeys(scores["cell"]))
    printed = [row for row in published.image_text_results().to_dict("records") if PRINTED_SIZE in str(row["label"])]
    names = [str(scores.loc[scores["cell"] == cell, "label"].iloc[0]) for cell in cells]
    names += ["chance", *(f"{row['label']}, printed in {row['source']}" for row in printed)]
    fields: list[Filled] = [(Field("cell", "Cell", number=False), *2 * (names,))]
    for score in SCORES:
        found = scores[scores["quantity"] == score.column].set_index("cell")
        if found.empty or score.column in _DEEPER:
            continue
        rows = [found.loc[cell] if cell in found.index else None for cell in cells]
        texts = [
            "–" if row is None else written_interval(row["value"], row["low"], row["high"], "share") for row in rows
        ]
        values = [np.nan if row is None else float(row["value"]) for row in rows]
        below = [float(found["chance"].iloc[0]), *_below(score.column, printed)]
        texts += ["–" if np.isnan(value) else written(value, "share") for value in below]
        field = Field(score.column, score.title, better="higher", meaning=column(score.column).meaning)
        fields.append((field, texts, [*values, *below]))
    return make("pairs", "Images and texts: zero-shot classification, retrieval, binding, relations", fields)


def _below(name: str, printed: Iterable[dict[object, object]]) -> list[float]:
    """Return the printed shares of a column, NaN if none is printed."""
    return [float(str(row[name])) if name in published.PRINTED_TESTS else np.nan for row in printed]
