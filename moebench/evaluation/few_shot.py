"""Linear probes on frozen features, trained on 1, 5 or 10 images of each class.

A regularised least-squares regression maps features to one-hot targets of ±1 in closed form (2010.11929, section 4.1).
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from moebench.data import Dataset, Split
from moebench.evaluation.pass_over_split import filled_batches, in_own_order
from moebench.training import Program, TrainState, compile_unoptimized

SHOTS = (1, 5, 10)
REGULARISER = 1.0
"""Weight of the squared coefficients, for features whose mean squared length is their number."""


class Probe:
    """The probes of one data set for models of one shape."""

    def __init__(self, program: Program, images: Dataset, batch: int) -> None:
        """Compile the program that computes features.

        Args:
            program: program of the probed model.
            images: the data set, from which shots and test images are taken.
            batch: images at a time; whole groups.
        """
        self.images, self.batch = images, batch
        state, some = program.abstract_state, program.abstract_images(batch)
        self._features: Callable[..., Any] = program.with_host_batch(compile_unoptimized(program.features, state, some))

    def evaluate(self, state: TrainState, seed: int) -> dict[str, float | None]:
        """Return the columns `few_shot_N`, the accuracy on the test split.

        A column is None if a class has fewer than N images.

        Args:
            state: state of the probed model.
            seed: seed of the shots; the shots of `few_shot_1` are among those of `few_shot_5`, and so on.
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
        """Return the features of every image, in the split's own order."""
        batches = [self._features(state, part.images) for part, _ in filled_batches(split, self.batch)]
        return in_own_order(np.concatenate(jax.device_get(batches)), len(split)).astype(np.float64)


def drawn_shots(
    labels: Int[np.ndarray, "image"], shots: int, generator: np.random.Generator
) -> dict[int, Int[np.ndarray, "shot"]]:
    """Draw images of each class.

    Args:
        labels: labels of all images.
        shots: images of each class; a class with fewer gives all of its images.
        generator: source of random numbers.

    Returns:
        Positions of the drawn images by class, in random order.
    """
    return {int(label): generator.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)}


def accuracy(
    train: Float[np.ndarray, "shot dim"],
    train_labels: Int[np.ndarray, "shot"],
    test: Float[np.ndarray, "image dim"],
    test_labels: Int[np.ndarray, "image"],
    classes: int,
) -> float:
    """Return the share of test images whose label the regression scores highest.

    Features are centred and divided by one number, so that their squares are 1 on average over shots and dimensions.
    The intercept is not regularised.

    Args:
        train: features of the shots.
        train_labels: classes of the shots.
        test: features of the test images.
        test_labels: classes of the test images.
        classes: number of classes.
    """
    mean = train.mean(0)
    scale = np.sqrt(np.square(train - mean).mean()) or 1.0
    x, y = (train - mean) / scale, 2 * np.eye(classes)[train_labels] - 1
    weights = np.linalg.solve(x.T @ x + REGULARISER * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
    scores = (test - mean) / scale @ weights + y.mean(0)
    return float((scores.argmax(-1) == test_labels).mean())
