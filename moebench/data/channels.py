"""Convert grey images to colour and back, for models trained on the other kind."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from moebench.data.dataset import Dataset, Pixels, Split

Images = Float32[np.ndarray, "image height width channel"] | Pixels


def with_channels(dataset: Dataset, channels: int) -> Dataset:
    """Return the data set with a number of channels.

    Every channel of the result is the mean over the channels of the image, so that grey images are repeated and colour
    images turn grey.

    Args:
        dataset: the data set.
        channels: 1 or 3.
    """
    if dataset.channels == channels:
        return dataset
    validation = None if dataset.validation is None else _convert(dataset.validation, channels)
    train, test = _convert(dataset.train, channels), _convert(dataset.test, channels)
    return replace(dataset, train=train, test=test, validation=validation)


def images_with_channels(images: Images, channels: int) -> Images:
    """Return images with a number of channels, each the mean over the present channels.

    Args:
        images: the images, returned unchanged if they have that number of channels.
        channels: 1 or 3.
    """
    if images.shape[3] == channels:
        return images
    pixels = np.asarray(images[:] if isinstance(images, Pixels) else images)
    grey = pixels.mean(-1, keepdims=True, dtype=np.float32)
    return np.repeat(grey, channels, axis=-1)


def _convert(split: Split, channels: int) -> Split:
    return replace(split, images=images_with_channels(split.images, channels))
