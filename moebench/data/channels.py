"""Convert grey images to colour and back, for a model that was trained on the other kind."""

from dataclasses import replace

import numpy as np

from moebench.data.dataset import Dataset, Pixels, Split


def with_channels(dataset: Dataset, channels: int) -> Dataset:
    """Return the data set with so many channels.

    Every channel of the result is the mean over the channels of the image, so that grey images are repeated and colour
    images turn grey.
    """
    if dataset.channels == channels:
        return dataset
    validation = None if dataset.validation is None else _convert(dataset.validation, channels)
    train, test = _convert(dataset.train, channels), _convert(dataset.test, channels)
    return replace(dataset, train=train, test=test, validation=validation)


def _convert(split: Split, channels: int) -> Split:
    pixels = np.asarray(split.images[:] if isinstance(split.images, Pixels) else split.images)
    grey = pixels.mean(-1, keepdims=True, dtype=np.float32)
    return replace(split, images=np.repeat(grey, channels, axis=-1))
