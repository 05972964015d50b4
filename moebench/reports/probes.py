"""Who is best in the linear probe of what was learned before, in words."""

from math import isnan

from moebench.reports.cells import SETTING, Results, compared_pairs, shown_better
from moebench.reports.quantities import quantity, written_interval

PROBES = {"few_shot_10": "10-shot", "few_shot_5": "5-shot", "few_shot_1": "1-shot"}


def sentence(results: Results) -> list[str]:
    """Of the probe with the most shots: the best cell, dense beside it, and from how many others it is told apart.

    Nothing where no cell was probed, or cells of several models, data sets or devices were.
    """
    column = next((name for name in PROBES if results.cells[name].notna().any()), None)
    if column is None:
        return []
    probed = results.cells[results.cells[column].notna()]
    if len(probed[list(SETTING)].drop_duplicates()) > 1:
        return []
    shown = {place: written_interval(*_interval(results, column, place), "share") for place in probed.index}
    best = int(probed.index[probed[column].to_numpy(float).argmax()])
    text = f"in the {PROBES[column]} probe {results.cells.loc[best, 'label']} is best, {shown[best]}"
    dense = [place for place in probed.index if probed.loc[place, "router"] == "dense" and place != best]
    if len(dense) == 1:
        text += f" (dense {shown[dense[0]]})"
    others, pairs = len(probed) - 1, compared_pairs(results.cells, column)
    if others and not isnan(_interval(results, column, best)[1]):
        apart = len(shown_better(results, quantity(column))[best])
        text += f", and a difference is shown from {apart} of {others} other cells (corrected for all {pairs} pairs)"
    return [text]


def _interval(results: Results, column: str, place: int) -> tuple[float, float, float]:
    value, low, high = results.cells[[column, f"{column}_ci_low", f"{column}_ci_high"]].to_numpy(float)[place]
    return float(value), float(low), float(high)
