"""Relate the gates of tokens to the classification of their images, and describe the gates."""

import numpy as np
import pandas as pd

from moebench.inside.analyses.keys import by_layer, listed, require
from moebench.statistics import proportion_interval

BINS = 10


def confidence_and_accuracy(frame: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Return the accuracy of images by their mean confidence.

    The confidence of an image is the mean over its tokens of the largest gate.

    Args:
        frame: rows of recordings.
        bins: number of bins, of equally many images each, by rising confidence.

    Returns:
        KEYS, bin, images, confidence (mean of the bin), accuracy, and accuracy_low and accuracy_high, the bounds of its
        95 % interval.
    """
    return by_layer(frame, lambda rows: _binned(rows, bins))


def _binned(rows: pd.DataFrame, bins: int) -> pd.DataFrame:
    tokens = rows.dropna(subset="confidence").drop_duplicates(["image", "token"])
    images = tokens.astype({"confidence": float}).groupby("image")
    by_image = images.agg(confidence=("confidence", "mean"), label=("label", "first"), given=("prediction", "first"))
    correct = by_image["label"] == by_image["given"]
    order = by_image["confidence"].argsort(kind="stable").to_numpy()
    found = []
    for number, part in enumerate(np.array_split(order, min(bins, len(order)))):
        hits, count = int(correct.iloc[part].sum()), len(part)
        interval = proportion_interval(hits, count)
        mean = float(by_image["confidence"].iloc[part].mean())
        found.append((number, count, mean, hits / count, interval.low, interval.high))
    names = ["bin", "images", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(found, columns=names)


def gate_distribution(frame: pd.DataFrame, bins: int = 20) -> pd.DataFrame:
    """Return the distribution of the gates of each rank of choice (2106.05974, figure 32).

    Args:
        frame: rows of hard routers.
        bins: intervals of equal width from 0 to 1, or to the largest gate if that is above 1.

    Returns:
        KEYS, rank, low and high (bounds of the interval), share (of the gates of this rank).

    Raises:
        BadInput: the router is soft.
    """
    return by_layer(frame, lambda rows: _distribution(rows, bins))


def _distribution(rows: pd.DataFrame, bins: int) -> pd.DataFrame:
    require(rows, soft=False, what="ranks of choices")
    named = listed(rows)
    edges = np.linspace(0, max(1.0, float(named["gate"].max())), bins + 1)
    parts = []
    for rank, gates in named.groupby("rank")["gate"]:
        counts, _ = np.histogram(gates, edges)
        shares = {"low": edges[:-1], "high": edges[1:], "share": counts / len(gates)}
        parts.append(pd.DataFrame({"rank": rank, **shares}))
    return pd.concat(parts, ignore_index=True)
