"""Conversion between grey and colour."""

import numpy as np

from moebench.data import Dataset, Pixels, Split, with_channels


def split(*pixel: float) -> Split:
    return Split(np.array([[[pixel]]], np.float32), np.zeros(1, np.int32))


def test_grey_is_repeated_in_each_channel() -> None:
    grey = split(2.0)
    assert with_channels(Dataset("g", 1, grey, grey), 3).train.images[0].tolist() == [[[2, 2, 2]]]


def test_colour_becomes_the_mean_of_its_channels_in_every_split() -> None:
    stored = Split(Pixels(np.array([[[[0, 3, 6]]]], np.uint8), (0.0,) * 3, (1.0,) * 3), np.zeros(1, np.int32))
    grey = with_channels(Dataset("c", 1, stored, split(1.0, 2.0, 6.0), validation=split(0.0, 0.0, 3.0)), 1)
    assert grey.validation is not None
    assert [part.images[0].tolist() for part in (grey.train, grey.test, grey.validation)] == [[[[3]]], [[[3]]], [[[1]]]]


def test_images_that_have_the_channels_already_are_returned_as_they_are() -> None:
    same = Dataset("g", 1, split(1.0), split(2.0))
    assert with_channels(same, 1) is same
