"""Name the best cells in the tests of two towers, in words."""

from collections.abc import Hashable, Sequence
from typing import Any

from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.pair_scores import pair_scores
from moebench.reports.labels import shortened
from moebench.reports.quantities import written, written_interval

Score = dict[Hashable, Any]
_NAMES = {
    "zero_shot_seen": "zero-shot accuracy",
    "image_to_text_r1": "image to text R@1",
    "text_to_image_r1": "text to image R@1",
}


def tested(results: Results) -> list[Score]:
    """Return the rows of `pair_scores` of the tests that the sentences name."""
    records: list[Score] = pair_scores(results).to_dict("records")
    return [score for score in records if score["quantity"] in _NAMES]


def shortest(scores: Sequence[Score]) -> str:
    """Return the best cell in the first test, beside dense, in a few words."""
    best, dense = _best_and_dense(scores, next(name for name in _NAMES if _of(scores, name)))
    text = f"Highest {_NAMES[best['quantity']]}: {shortened(str(best['label']))}, {written(best['value'], 'share')}"
    return text if dense is None else f"{text} (dense {written(dense['value'], 'share')})"


def sentence(scores: Sequence[Score]) -> str:
    """Return the best cell of each test with its interval and chance, beside dense."""
    parts = []
    for name, title in _NAMES.items():
        if _of(scores, name):
            best, dense = _best_and_dense(scores, name)
            text = f"highest {title}: {best['label']}, {_interval(best)}"
            beside = "" if dense is None else f"dense {_interval(dense)}, "
            parts.append(f"{text} ({beside}chance {written(best['chance'], 'share')})")
    return "; ".join(parts)


def _of(scores: Sequence[Score], name: str) -> list[Score]:
    return [score for score in scores if score["quantity"] == name]


def _best_and_dense(scores: Sequence[Score], name: str) -> tuple[Score, Score | None]:
    """Return the best cell of a test, and the dense cell.

    The dense cell is None if dense is the best or if there is not exactly one dense cell.
    """
    of_test = _of(scores, name)
    best = max(of_test, key=lambda score: float(score["value"]))
    dense = [score for score in of_test if score["router"] == "dense"]
    return best, dense[0] if len(dense) == 1 and dense[0] is not best else None


def _interval(score: Score) -> str:
    return written_interval(score["value"], score["low"], score["high"], "share")
