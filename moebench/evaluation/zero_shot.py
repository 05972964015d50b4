"""Zero-shot classification: an image belongs to the class whose prompts are nearest to its embedding.

A class is embedded as the mean of the embeddings of its prompts, each of length 1, scaled to length 1 again
(2103.00020, section 3.1.4).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class ZeroShotAccuracy:
    """Shares of images that are classified correctly, all classes being candidates for every image."""

    seen: float | None
    """Accuracy on images whose class occurs in training; None without such images."""
    unseen: float | None
    """Accuracy on images whose class is held out of training; None without such images."""


def class_embeddings(prompts: Float[np.ndarray, "class prompt dim"]) -> Float[np.ndarray, "class dim"]:
    """Return the embedding of each class, of length 1.

    Args:
        prompts: embeddings of the prompts of each class, of length 1.
    """
    mean = prompts.astype(np.float64).mean(1)
    lengths: np.ndarray = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.asarray(mean / np.maximum(lengths, np.finfo(np.float64).tiny))


def zero_shot_accuracy(
    images: Float[np.ndarray, "image dim"],
    classes: Float[np.ndarray, "class dim"],
    labels: Int[np.ndarray, "image"],
    seen: Bool[np.ndarray, "class"],
) -> ZeroShotAccuracy:
    """Return the accuracy on images of seen and of held-out classes.

    Args:
        images: embeddings of length 1.
        classes: embeddings of the classes.
        labels: class of each image.
        seen: whether each class occurs in training.
    """
    correct = (images @ classes.T).argmax(1) == labels
    of_seen = seen[labels]
    return ZeroShotAccuracy(_share(correct[of_seen]), _share(correct[~of_seen]))


def _share(hits: Bool[np.ndarray, "image"]) -> float | None:
    return float(hits.mean()) if len(hits) else None
