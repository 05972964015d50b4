"""Images in the channels of a model: grey to colour and back."""

from dataclasses import replace

import numpy as np

from moebench.data.dataset import Dataset, Pixels, Split


def with_channels(images: Dataset, channels: int) -> Dataset:
    """Convert images to the channels of a model: grey repeated for each channel, colours averaged to grey.

    Args:
        images: both splits.
        channels: of the model.
    """
    if images.channels == channels:
        return images
    return replace(images, train=_in_channels(images.train, channels), test=_in_channels(images.test, channels))


def _in_channels(split: Split, channels: int) -> Split:
    pixels = np.asarray(split.images[:] if isinstance(split.images, Pixels) else split.images)
    grey = pixels.mean(-1, keepdims=True, dtype=np.float32)
    return Split(np.repeat(grey, channels, axis=-1), split.labels)
