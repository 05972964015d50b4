"""Answer the question of a suite in one sentence."""

from collections import Counter
from collections.abc import Hashable
from itertools import groupby
from math import isnan
from typing import Any

import pandas as pd

from moebench.claims.written import summary
from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.divergence import stability, verdict
from moebench.reports.analysis.expert_trend import trends_together
from moebench.reports.analysis.ranking import SETTING, compared_pairs
from moebench.reports.analysis.test_time import cuts
from moebench.reports.answer import few_shot, layer_times, pairs
from moebench.reports.labels import shortened
from moebench.reports.quantities import written, written_interval, written_points

Cell = dict[Hashable, Any]
MOST_WORDS = 25
_ANSWERING = (
    *(*SETTING, "label", "router", "status", "seeds", "seeds_failed", "rank_group"),
    "timing_flags",
    *(
        f"{name}{end}"
        for name in ("accuracy", "accuracy_vs_dense", "train_step_vs_dense")
        for end in ("", "_ci_low", "_ci_high")
    ),
)


def answer(results: Results) -> str:
    """Return the answer to a suite's question in at most 25 words, verdict first.

    `details` has the intervals.
    """
    cells, good, timed = _answering(results)
    verdict = [f"{summary(results.verdicts)}."] if results.verdicts else []
    of_pairs = pairs.tested(results)
    if not good and not timed and not of_pairs:
        return f"No answer: none of {_count(len(cells), 'cell')} ended well ({_states(cells)})."
    unclassified = pairs.shortest(of_pairs) if of_pairs else layer_times.shortest(timed) if timed else ""
    found = _shortest(good) if good else unclassified
    failed = sum(cell["seeds"] == 0 for cell in cells)
    failures = f"; {failed} of {_count(len(cells), 'cell')} failed" if failed else ""
    text = " ".join([*verdict, found])
    # Long names are cut, so that the verdict and the best cell always fit.
    return f"{text}{failures}." if len(f"{text}{failures}".split()) <= MOST_WORDS else f"{text}."


def details(results: Results) -> str:
    """Return the details of the answer in one sentence.

    The sentence has data, device, seeds, and the best cell with its intervals. For a suite without claims the sentence
    also names trends, divergence and cuts; for other suites verdicts cover these.
    """
    cells, good, timed = _answering(results)
    of_pairs = pairs.tested(results)
    if not good and not timed and not of_pairs:
        return answer(results)
    if not good and of_pairs:
        ended = [cell for cell in cells if cell["seeds"]]
        return f"{_ground(ended)}, {pairs.sentence(of_pairs)}{_failures(cells)}"
    if not good:
        return f"{_ground(timed)}, {layer_times.sentence(timed)}{_failures(cells)}"
    compared = compared_pairs(results.cells)
    settings = _settings(good)
    best = _of_many(settings, compared) if len(settings) > 1 else _best(good, compared)
    if results.verdicts:
        return f"{_ground(good)}, {best}{_failures(cells)}"
    trend = _trend(results.rows) if len(settings) == 1 else []
    others = [*_divergence(results.rows), *_cuts(results), *few_shot.sentence(results)]
    return f"{_ground(good)}, {'; '.join([best, *trend, *others])}{_failures(cells)}"


def _answering(results: Results) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Return all cells, the cells with an accuracy, and the timed cells."""
    cells: list[Cell] = results.ranked[list(_ANSWERING)].to_dict("records")
    good = [cell for cell in cells if not isnan(cell["accuracy"])]
    return cells, good, [cell for cell in cells if cell["seeds"] and not isnan(cell["train_step_vs_dense"])]


def _settings(good: list[Cell]) -> list[list[Cell]]:
    return [list(group) for _, group in groupby(good, key=lambda cell: [str(cell[key]) for key in SETTING])]


def _shortest(good: list[Cell]) -> str:
    """Return the best cell and its difference from dense in a few words."""
    settings = _settings(good)
    if len(settings) > 1:
        leaders = Counter(str(max(group, key=_by_accuracy)["router"]) for group in settings)
        most = max(leaders.values())
        names = [router for router, count in leaders.items() if count == most]
        each = " each" if len(names) > 1 else ""
        return f"Best: {_listed(names[:3])}, in {most} of {len(settings)} settings{each}"
    best = max(good, key=_by_accuracy)
    text = f"Highest accuracy: {shortened(str(best['label']))}, {written(best['accuracy'], 'share')}"
    gain, low = best["accuracy_vs_dense"], best["accuracy_vs_dense_ci_low"]
    if best["router"] == "dense" or isnan(gain):
        return text
    return f"{text}, {written_points(gain)} points over dense" + (
        " (one seed)" if isnan(low) else "" if _is_above_dense(best, good) else " (not significant)"
    )


def _is_above_dense(best: Cell, good: list[Cell]) -> bool:
    return all(cell["rank_group"] == "worse" for cell in good if cell["router"] == "dense")


def _ground(good: list[Cell]) -> str:
    """Return the beginning of the details: data, device and seeds."""
    least, most = (bound(cell["seeds"] for cell in good) for bound in (min, max))
    seeds = _count(most, "seed") if least == most else f"{least} to {most} seeds"
    data = _listed(list(dict.fromkeys(str(cell["data"]) for cell in good)))
    devices = _listed(list(dict.fromkeys(str(cell["device_kind"]) for cell in good)))
    return f"On {data} ({devices}, {seeds})"


def _best(good: list[Cell], pairs: int) -> str:
    """Return a sentence on the best cell.

    The sentence has the difference from dense, and the number of cells not significantly below the best cell.
    """
    best = max(good, key=_by_accuracy)
    text = f"{best['label']} has the highest accuracy, {accuracy(best)}"
    if best["seeds_failed"]:
        text += f" although {_count(best['seeds_failed'], 'seed')} of it failed"
    if best["router"] != "dense":
        text += f", {_over_dense(best, [cell for cell in good if cell['router'] == 'dense'])}"
    near = [cell for cell in good if cell["rank_group"] == "tied"]
    below = [cell for cell in good if cell["rank_group"] == "worse"]
    if near:
        runner_up = max(near, key=_by_accuracy)
        others = f"{len(near)} of {len(good) - 1} other cells" if len(good) > 2 else "the other cell"
        nearest = f"the nearest: {runner_up['label']}, {written(runner_up['accuracy'], 'share')}"
        return f"{text}; the difference from {others} is not significant ({nearest}{_corrected('; ', pairs)})"
    if below:
        text += f", significantly above {'each of ' * (len(below) > 1)}{_count(len(below), 'other cell')}"
        return text + (f" ({_corrected('', pairs)})" if pairs > 1 else "")
    return f"{text}, and one seed has no test" if len(good) > 1 else text


def _corrected(before: str, pairs: int) -> str:
    """Return the note on the correction for all pairs of cells.

    All pairs count, because the best cell is found by comparing all cells.
    """
    return f"{before}corrected for all {pairs} pairs of cells" if pairs > 1 else ""


def _failures(cells: list[Cell]) -> str:
    """Return the end of a sentence: the number of failed cells.

    If no cell failed, the result is a full stop alone.
    """
    failed = [cell for cell in cells if cell["seeds"] == 0]
    return f"; {len(failed)} of {_count(len(cells), 'cell')} failed ({_states(failed)})." if failed else "."


def _by_accuracy(cell: Cell) -> float:
    return float(cell["accuracy"])


def accuracy(cell: Cell) -> str:
    """Return the accuracy of a cell with its interval."""
    low, high = cell["accuracy_ci_low"], cell["accuracy_ci_high"]
    return written_interval(cell["accuracy"], low, high, "share")


def _over_dense(best: Cell, dense: list[Cell]) -> str:
    gain, low, high = (best[f"accuracy_vs_dense{end}"] for end in ("", "_ci_low", "_ci_high"))
    if isnan(gain):
        return "with no dense cell to compare"
    text = f"{abs(100 * gain):.1f} points {'above' if gain >= 0 else 'below'} dense"
    if isnan(low):
        return f"{text} (no interval)"
    return text + _between(low, high) + ("" if _is_above_dense(best, dense) else " (not significant)")


def _trend(rows: pd.DataFrame) -> list[str]:
    """Return the routers of one setting whose accuracy changes with the experts.

    The list is empty if experts do not vary.
    """
    slopes: list[Cell] = trends_together(rows).dropna(subset="slope").to_dict("records")
    if not slopes:
        return []
    rising = [row for row in slopes if row["low"] > 0]
    falling = [row for row in slopes if row["high"] < 0]
    rest = [str(row["router"]) for row in slopes if row["low"] <= 0 <= row["high"]]
    texts = [
        f"accuracy {word} with each doubling of the experts for {_listed([_slope(row) for row in rows])}"
        for word, rows in (("rises", rising), ("falls", falling))
        if rows
    ]
    if rest:
        texts.append(f"no trend over the number of experts is significant for {_listed(rest)}")
    return [", while ".join(texts) + (f" (corrected for {len(slopes)} routers)" if len(slopes) > 1 else "")]


def _divergence(rows: pd.DataFrame) -> list[str]:
    """Return the router that diverges first, if several learning rates were tried."""
    try:
        return [verdict(stability(rows))]
    except BadInput:
        return []


def _cuts(results: Results) -> list[str]:
    """Return the cheapest settings that lose at most a point.

    The list is empty if no trained model was evaluated in other settings.
    """
    try:
        rows: list[Cell] = cuts(results).to_dict("records")
    except BadInput:
        return []
    kept = [row for row in rows if row["setting"]]
    lost = [str(row["label"]) for row in rows if not row["setting"]]
    texts = []
    if kept:
        texts.append(
            f"cut after training, an estimated point at most is lost by {_listed([_cut(row) for row in kept])}"
        )
    if lost:
        texts.append(f"every cheaper setting tried is estimated to cost more than a point for {_listed(lost)}")
    return ["; ".join(texts)] if texts else []


def _cut(row: Cell) -> str:
    bounds = "" if isnan(row["low"]) else _between(row["low"], row["high"])
    share = written(row["share"], "share")
    return f"{row['label']} at {share} of its FLOPs ({row['setting']}: {written_points(row['change'])}{bounds})"


def _slope(row: Cell) -> str:
    slope, low, high = (row[key] for key in ("slope", "low", "high"))
    return f"{row['router']} ({written_points(slope)} points{_between(low, high)})"


def _of_many(settings: list[list[Cell]], pairs: int) -> str:
    """Return how often each router leads, if models, data or devices differ."""
    leaders = Counter(str(max(group, key=_by_accuracy)["router"]) for group in settings)
    each = [f"{router} in {count}" for router, count in leaders.most_common()]
    alone = sum({cell["rank_group"] for cell in group} == {"best", "worse"} for group in settings)
    return (
        f"in {len(settings)} settings of model, data and device the highest accuracy is that of "
        f"{_listed(each)}, significantly above every other cell in {alone} of them"
        + (f" ({_corrected('', pairs)})" if pairs > 1 else "")
    )


def _between(low: float, high: float) -> str:
    return f" [{written_points(low)}, {written_points(high)}]"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _states(cells: list[Cell]) -> str:
    """Return the count of each status: `3 oom, 1 timeout`."""
    return ", ".join(f"{count} {status}" for status, count in Counter(c["status"] for c in cells).most_common())
