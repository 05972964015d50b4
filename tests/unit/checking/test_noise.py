"""Noise in place of images, at toy size: each class can be held out from, and tasks have a truth."""

import numpy as np
import pytest

from moebench.checking.suite import _noise
from moebench.data.holdout import hold_out_validation


@pytest.mark.parametrize(("name", "channels", "truth"), [("digits", 1, False), ("words-64", 3, True)])
def test_noise_has_what_the_data_set_has(name: str, channels: int, truth: bool) -> None:
    found = _noise(name, None, batch=8)
    assert found.train.images[:1].shape[-1] == channels
    assert (found.test.truth is not None) == truth
    assert len(found.test.labels) == 8
    validation = hold_out_validation(found).validation
    assert validation is not None
    assert len(np.unique(validation.labels)) == found.classes
