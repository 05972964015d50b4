"""Name the best cell in linear probes of pre-trained features, in words."""

import numpy as np

from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING, compared_pairs, shown_better
from moebench.reports.quantities import written_interval

PROBES = {"few_shot_10": "10-shot", "few_shot_5": "5-shot", "few_shot_1": "1-shot"}


def sentence(results: Results) -> list[str]:
    """Return a sentence on the best cell of the probe with the most shots.

    The sentence also has the dense cell, and the number of significant differences.

    The list is empty if no cell was probed, or if cells of several models, data sets or devices were probed.
    """
    cells = results.cells
    column = next((name for name in PROBES if cells[name].notna().any()), None)
    if column is None or len(cells.loc[cells[column].notna(), list(SETTING)].drop_duplicates()) > 1:
        return []
    values, lows, highs = (cells[f"{column}{end}"].to_numpy(float) for end in ("", "_ci_low", "_ci_high"))
    shown = [written_interval(*found, kind="share") for found in zip(values, lows, highs, strict=True)]
    probed = np.flatnonzero(~np.isnan(values)).tolist()
    best = max(probed, key=lambda place: values[place])
    labels, routers = cells["label"].tolist(), cells["router"].tolist()
    text = f"in the {PROBES[column]} probe {labels[best]} is best, {shown[best]}"
    dense = [place for place in probed if routers[place] == "dense" and place != best]
    if len(dense) == 1:
        text += f" (dense {shown[dense[0]]})"
    if len(probed) > 1 and not np.isnan(lows[best]):
        better = shown_better(cells, results.values(column), higher_is_better=True)
        apart, pairs = len(better[best]), compared_pairs(cells, column)
        text += f", significantly better than {apart} of {len(probed) - 1} other cells"
        text += f" (corrected for all {pairs} pairs)" if pairs > 1 else ""
    return [text]
