"""Linear probes of a few shots: how good frozen features are when each class shows a few images.

A regularised least-squares regression maps features to one-hot targets of ±1 in closed form (2010.11929, section 4.1).
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from moebench.data import Dataset, Split
from moebench.training import Program, TrainState, compile_unoptimized, filled_batches

SHOTS = (1, 5, 10)
REGULARISER = 1.0
"""Of features whose squared length is on average their number."""


class Probe:
    """The probes of one data set for models of one shape."""

    def __init__(self, program: Program, images: Dataset, batch: int) -> None:
        """Compile the features for so many images at a time, whole groups."""
        self.images, self.batch = images, batch
        state, some = program.abstract_state, program.abstract_batch(batch)[0]
        self._features: Callable[..., Any] = program.with_host_batch(compile_unoptimized(program.features, state, some))

    def evaluate(self, state: TrainState, seed: int) -> dict[str, float | None]:
        """The columns `few_shot_N`: accuracy on the test split; null where a class has fewer images for training.

        The shots are drawn from the seed; those of fewer are among those of more.
        """
        labels = self.images.train.labels
        drawn = drawn_shots(labels, max(SHOTS), np.random.default_rng(seed))
        smallest = np.bincount(labels, minlength=self.images.classes).min()
        chosen = np.sort(np.concatenate(list(drawn.values())))
        train = self._of(state, Split(self.images.train.images[chosen], labels[chosen]))
        test = self._of(state, self.images.test)
        found: dict[str, float | None] = {}
        for shots in SHOTS:
            few = np.searchsorted(chosen, np.concatenate([places[:shots] for places in drawn.values()]))
            score = accuracy(train[few], labels[chosen][few], test, self.images.test.labels, self.images.classes)
            found[f"few_shot_{shots}"] = score if smallest >= shots else None
        return found

    def _of(self, state: TrainState, split: Split) -> Float[np.ndarray, "image dim"]:
        """The features of every image, in the split's own order."""
        numbered = Split(split.images, np.arange(len(split), dtype=np.int32))
        batches = [
            (self._features(state, part.images), part.labels) for part, _ in filled_batches(numbered, self.batch)
        ]
        features, places = (np.concatenate(each)[: len(split)] for each in zip(*jax.device_get(batches), strict=True))
        return features[np.argsort(places)].astype(np.float64)


def drawn_shots(
    labels: Int[np.ndarray, "image"], shots: int, generator: np.random.Generator
) -> dict[int, Int[np.ndarray, "shot"]]:
    """For each class the places of so many of its images, or of all if it has fewer, in an order drawn at random."""
    return {int(label): generator.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)}


def accuracy(
    train: Float[np.ndarray, "shot dim"],
    train_labels: Int[np.ndarray, "shot"],
    test: Float[np.ndarray, "image dim"],
    test_labels: Int[np.ndarray, "image"],
    classes: int,
) -> float:
    """Share of the test images whose class the regression on the shots scores highest.

    Features are moved to mean 0 and divided by one number, so that their squares are 1 on average over shots and
    dimensions; the intercept is not regularised.
    """
    mean = train.mean(0)
    scale = np.sqrt(np.square(train - mean).mean()) or 1.0
    x, y = (train - mean) / scale, 2 * np.eye(classes)[train_labels] - 1
    weights = np.linalg.solve(x.T @ x + REGULARISER * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    scores = (test - mean) / scale @ weights + y.mean(0)
    return float((scores.argmax(-1) == test_labels).mean())
