"""Retrieval of captions and of images, and choices between two captions.

A query is an image, whose captions are retrieved, or a caption, whose image is retrieved. Recall at K is the share of
queries with a right answer among the K highest scores. Any caption of an image is a right answer. Among equal scores
wrong answers come first, so that a model that embeds all inputs alike retrieves nothing.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

DEPTHS = (1, 5, 10)


def image_to_text_ranks(
    scores: Float[np.ndarray, "image caption"], image_of_caption: Int[np.ndarray, "caption"]
) -> Int[np.ndarray, "image"]:
    """Return for each image the number of wrong captions before its best own one.

    A wrong caption belongs to another image and scores at least as high as the image's best own caption.

    Args:
        scores: score of each image with each caption.
        image_of_caption: row of the image that each caption belongs to.
    """
    own = image_of_caption == np.arange(len(scores))[:, None]
    best = np.where(own, scores, -np.inf).max(1, keepdims=True)
    return np.asarray(((scores >= best) & ~own).sum(1))


def text_to_image_ranks(
    scores: Float[np.ndarray, "image caption"], image_of_caption: Int[np.ndarray, "caption"]
) -> Int[np.ndarray, "caption"]:
    """Return for each caption the number of other images before its own.

    Another image comes before the own image if the score of the other image is at least as high.

    Args:
        scores: score of each image with each caption.
        image_of_caption: row of the image that each caption belongs to.
    """
    own = scores[image_of_caption, np.arange(scores.shape[1])]
    return np.asarray((scores >= own).sum(0) - 1)


def recalls(ranks: Int[np.ndarray, "query"], depths: Sequence[int] = DEPTHS) -> dict[int, float]:
    """Return for each K the share of queries answered among the first K.

    A query is answered if its first right answer is among the first K.

    Args:
        ranks: wrong answers before the first right one.
        depths: values of K.
    """
    return {depth: float((ranks < depth).mean()) for depth in depths}


def choice_accuracy(true: Float[np.ndarray, "choice"], false: Float[np.ndarray, "choice"]) -> float:
    """Return the share of choices in which the true caption scores higher.

    Equal scores count half.

    Args:
        true: scores of the true captions.
        false: scores of the false captions.
    """
    return float(((true > false) + 0.5 * (true == false)).mean())
