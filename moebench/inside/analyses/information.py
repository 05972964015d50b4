"""Measure the information of a token's expert on the image's class and the token's position."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from moebench.inside.analyses.counts import weights_of
from moebench.inside.analyses.keys import by_layer, codes, listed

Of = Literal["class", "position"]
OF: tuple[Of, ...] = get_args(Of)
"""Quantities on which the expert of a token may have information."""
DRAWS = 50
"""Permutations from which the null distribution is estimated."""
_ROUNDING = 1e-9
"""Information below this value is a rounding error."""


def mutual_information(joint: np.ndarray) -> float:
    """Return the plug-in estimate of mutual information in bits, from counts or weights.

    The estimate is Σ p(x, e) · log2(p(x, e) / (p(x) · p(e))).
    """
    total = joint.sum()
    if not total:
        return 0.0
    p = joint / total
    expected = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    there = p > 0
    found = float((p[there] * np.log2(p[there] / expected[there])).sum())
    return found if found > _ROUNDING else 0.0


def expert_information(frame: pd.DataFrame, of: Of, *, processed: bool = False, draws: int = DRAWS) -> pd.DataFrame:
    """Return the mutual information of a choice's expert and its token's class or position.

    The plug-in estimate is above 0 by chance alone, the more so the more classes and the fewer images there are. Its
    distribution under independence is estimated by permutation: the classes of the images change places, or, for
    positions, the tokens of each image do. A soft router's choices are its combine weights.

    Args:
        frame: rows of recordings.
        of: class or position.
        processed: whether dropped choices are left out.
        draws: permutations.

    Returns:
        KEYS, information, null_mean and null_high (mean and 95 % quantile over the permutations), excess (information
        less null_mean), all in bits, and p_value, the share of permutations with at least as much information, the data
        counted as one of them.
    """

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        weights = weights_of(rows, processed=processed)
        found, null = _by_class(weights, draws) if of == "class" else _by_position(listed(weights), draws)
        as_much = (null >= found - _ROUNDING).sum()
        return pd.DataFrame(
            {
                "information": [found],
                "null_mean": [null.mean()],
                "null_high": [np.quantile(null, 0.95)],
                "excess": [found - null.mean()],
                "p_value": [(1 + as_much) / (1 + draws)],
            }
        )

    return by_layer(frame, of_layer)


def _by_class(rows: pd.DataFrame, draws: int) -> tuple[float, np.ndarray]:
    """Return the information and its null distribution: images keep their experts and exchange their classes."""
    experts = int(rows["experts"].iloc[0])
    images, image = codes(rows["image"])
    places = image * experts + rows["expert"].to_numpy()
    by_image = np.bincount(places, rows["weight"], minlength=len(images) * experts).reshape(-1, experts)
    first = np.zeros(len(images), np.int64)
    first[image] = rows["label"].to_numpy()
    classes, label = np.unique(first, return_inverse=True)
    one_hot = np.eye(len(classes))[label]
    generator = np.random.default_rng(0)
    null = [mutual_information(generator.permutation(one_hot).T @ by_image) for _ in range(draws)]
    return mutual_information(one_hot.T @ by_image), np.array(null)


def _by_position(rows: pd.DataFrame, draws: int) -> tuple[float, np.ndarray]:
    """Return the information and its null distribution: the tokens of each image exchange their positions."""
    experts = int(rows["experts"].iloc[0])
    images, image = codes(rows["image"])
    positions, position = codes(rows["token"])
    expert, weight = rows["expert"].to_numpy(), rows["weight"].to_numpy()
    count = len(positions)
    # Counting without weights takes half the time.
    weights = None if (weight == 1).all() else weight

    def information(place: np.ndarray) -> float:
        joint = np.bincount(place * experts + expert, weights, minlength=count * experts)
        return mutual_information(joint.reshape(count, experts))

    generator = np.random.default_rng(0)
    in_order = np.broadcast_to(np.arange(count), (len(images), count))
    at = image * count + position
    null = [information(generator.permuted(in_order, axis=1).reshape(-1)[at]) for _ in range(draws)]
    return information(position), np.array(null)
