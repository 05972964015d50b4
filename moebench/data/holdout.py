"""Hold images out: for testing, if the source declares no test split, and for validation."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from moebench.data.dataset import Dataset
from moebench.errors import BadInput

SHARE = 0.2
"""Share of each class that is held out."""


def held_out(labels: Int[np.ndarray, "image"], per_class: int | None = None) -> Bool[np.ndarray, "image"]:
    """Return which images are held out: an equal share of each class, evenly spaced.

    The spacing is in the order of the files. No random number is drawn. Files are often ordered by the person or device
    that they come from, so that even spacing takes a share of each of these. Every class of two or more images keeps at
    least one on either side.

    Args:
        labels: class of each image.
        per_class: images of each class to hold out; None takes `SHARE` of the class.
    """
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = per_class or max(1, round(SHARE * len(members)))
        held[members[np.linspace(0, len(members) - 1, count).round().astype(int)]] = True
    return held


def hold_out_validation(dataset: Dataset) -> Dataset:
    """Return the data set with a validation split that its training split does not contain.

    A validation split that the source declares is used unchanged. Otherwise `SHARE` of each class of the training split
    is held out, always the same images. The test split is never used.

    Raises:
        BadInput: a class has fewer than two training images.
    """
    if dataset.validation is not None:
        return dataset
    labels = dataset.train.labels
    counts = np.bincount(labels, minlength=dataset.classes)
    if counts.min() < 2:
        few = int(counts.argmin())
        raise BadInput(
            f"class '{dataset.class_name(few)}' of {dataset.name} has {counts[few]} training image"
            f"{'' if counts[few] == 1 else 's'}, and needs 2 or more to hold one out for validation.",
            key="data",
        )
    held = held_out(labels)
    rest, chosen = (dataset.train.subset(np.flatnonzero(mask)) for mask in (~held, held))
    return replace(dataset, train=rest, validation=chosen)
