"""Data sets: the digits' split, and batches that see every image before any again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from moebench import data
from moebench.data import Split, batches
from moebench.errors import BadInput


def test_digits_are_all_there_once_and_split_evenly() -> None:
    digits = data.load("digits")
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert (digits.image_size, digits.channels, digits.classes) == (8, 1, 10)
    # 36 of each class are tested.
    np.testing.assert_array_equal(np.bincount(digits.test.labels), [36] * 10)
    both = np.concatenate([digits.train.images, digits.test.images]).reshape(1797, -1)
    original = load_digits().data
    scale = (both.max() - both.min()) / 16
    restored = np.round((both - both.min()) / scale)
    np.testing.assert_array_equal(restored[np.lexsort(restored.T)], original[np.lexsort(original.T)])


def test_digits_are_scaled_by_the_training_split_alone() -> None:
    images = data.load("digits").train.images
    assert abs(images.mean()) < 1e-6
    assert abs(images.std() - 1) < 1e-6


def test_no_digit_is_in_both_splits() -> None:
    digits = data.load("digits")
    train = {image.tobytes() for image in digits.train.images}
    assert not any(image.tobytes() in train for image in digits.test.images)


def test_unknown_data_set() -> None:
    with pytest.raises(BadInput, match="unknown data set 'digit': did you mean 'digits'"):
        data.load("digit")


def split(count: int) -> Split:
    return Split(np.zeros((count, 2, 2, 1), np.float32), np.arange(count, dtype=np.int32))


@given(count=st.integers(1, 20), batch=st.integers(1, 25), seed=st.integers(0, 5))
def test_every_image_is_seen_once_before_any_is_seen_again(count: int, batch: int, seed: int) -> None:
    seen = np.concatenate([part.labels for part in batches(split(count), batch, steps=4, seed=seed)])
    assert len(seen) == 4 * batch
    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_the_seed_decides_the_order() -> None:
    first, again, other = (
        np.concatenate([part.labels for part in batches(split(50), 10, 5, seed)]) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
