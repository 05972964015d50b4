"""Images in the channels of a model."""

import numpy as np

from moebench.data import Dataset, Pixels, Split
from moebench.data.channels import with_channels


def test_channels_follow_the_model() -> None:
    grey = Split(np.array([[[[2.0]]]], np.float32), np.zeros(1, np.int32))
    colour = Split(Pixels(np.array([[[[0, 3, 6]]]], np.uint8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), np.zeros(1, np.int32))
    assert with_channels(Dataset("g", 1, grey, grey), 3).train.images[0].tolist() == [[[2, 2, 2]]]
    assert with_channels(Dataset("c", 1, colour, colour), 1).test.images[0].tolist() == [[[3]]]
    same = Dataset("g", 1, grey, grey)
    assert with_channels(same, 1) is same
