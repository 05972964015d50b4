"""Scores of two towers on their tests, beside chance and a paper's printed results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from moebench.papers import results as published
from moebench.reports.analysis.cells import Results

Cell = Mapping[Any, Any]
PRINTED_SIZE = "S/16"
"""Size of the printed models that are shown beside the cells: the smallest pair of dense and Soft MoE."""


@dataclass(frozen=True)
class Score:
    """One test of two towers."""

    column: str
    title: str
    """Short title, for the head of a panel or of a column."""
    chance: Callable[[Cell], float]
    """Share of right answers by guessing, from the columns of a cell."""


def text_to_image_chance(images: float, depth: int) -> float:
    """Return the chance that an image is among `depth` random images of all images.

    Args:
        images: number of all images.
        depth: images that are drawn, none of them twice.
    """
    return min(1.0, depth / images)


def image_to_text_chance(images: float, captions: float, depth: int) -> float:
    """Return the chance that `depth` random captions include one of an image's captions.

    The random captions are drawn from all captions.

    Args:
        images: number of images, each with an equal share of the captions.
        captions: number of all captions.
        depth: captions that are drawn, none of them twice.
    """
    drawn = np.arange(min(depth, int(captions)))
    return float(1 - np.prod(np.maximum(0.0, 1 - captions / images / (captions - drawn))))


def _of_zero_shot(cell: Cell) -> float:
    return float(1 / cell["zero_shot_classes"])


def _of_image_to_text(depth: int, cell: Cell) -> float:
    return image_to_text_chance(cell["retrieval_images"], cell["retrieval_captions"], depth)


def _of_text_to_image(depth: int, cell: Cell) -> float:
    return text_to_image_chance(cell["retrieval_images"], depth)


def _of_two(cell: Cell) -> float:
    return 0.5


_DEPTHS = (1, 5, 10)
SCORES = (
    Score("zero_shot_seen", "zero-shot, seen", _of_zero_shot),
    Score("zero_shot_unseen", "zero-shot, unseen", _of_zero_shot),
    *(Score(f"image_to_text_r{k}", f"image to text R@{k}", partial(_of_image_to_text, k)) for k in _DEPTHS),
    *(Score(f"text_to_image_r{k}", f"text to image R@{k}", partial(_of_text_to_image, k)) for k in _DEPTHS),
    Score("binding_accuracy", "binding", _of_two),
    Score("relations_accuracy", "relations", _of_two),
)


def pair_scores(results: Results) -> pd.DataFrame:
    """Return one row for each cell with a text tower and each of its tests.

    The frame is empty without such cells.

    Returns:
        cell (position among the cells), label, router, quantity, title, value with low and high (95 % interval over
        seeds), chance, printed (share that a paper printed for the router, NaN without one) and printed_of.
    """
    printed = _printed()
    found = []
    for place, cell in enumerate(results.cells.to_dict("records")):
        for score in SCORES:
            value, low, high = (cell[f"{score.column}{end}"] for end in ("", "_ci_low", "_ci_high"))
            if np.isnan(value):
                continue
            share, of = printed.get((str(cell["router"]), score.column), (np.nan, ""))
            found.append(
                {
                    "cell": place,
                    "label": str(cell["label"]),
                    "router": str(cell["router"]),
                    "quantity": score.column,
                    "title": score.title,
                    "value": value,
                    "low": low,
                    "high": high,
                    "chance": score.chance(cell),
                    "printed": share,
                    "printed_of": of,
                }
            )
    names = ("cell", "label", "router", "quantity", "title", "value", "low", "high", "chance", "printed", "printed_of")
    return pd.DataFrame(found, columns=names)


def _printed() -> dict[tuple[str, str], tuple[float, str]]:
    """Return the printed share and its data set, by router and column.

    The shares are those of models of the printed size, `PRINTED_SIZE`.
    """
    found = {}
    for row in published.image_text_results().to_dict("records"):
        if PRINTED_SIZE in str(row["label"]):
            for column, of in published.PRINTED_TESTS.items():
                found[str(row["router"]), column] = (float(row[column]), f"{of}, {row['label']}")
    return found
