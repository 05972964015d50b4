"""Held-out images: for testing and for validation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench import data
from moebench.data import Dataset, Pixels, Split, hold_out_validation
from moebench.data.holdout import held_out
from moebench.errors import BadInput


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_a_fifth_of_every_class_is_held_out(labels: list[int]) -> None:
    test = held_out(np.array(labels))
    for label in set(labels):
        members = np.array(labels) == label
        count = int(members.sum())
        assert test[members].sum() == max(1, round(0.2 * count))
        assert count == 1 or not test[members].all()


def stored(labels: list[int]) -> Split:
    """Images of one pixel each, whose byte is the number of the image."""
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Split(Pixels(images, (0.0,), (1.0,)), np.array(labels, np.int32))


def numbers(split: Split | None) -> list[int]:
    assert split is not None
    return split.images[:].ravel().astype(int).tolist()


def test_validation_is_a_fifth_of_each_class_evenly_spaced_and_never_of_the_test_split() -> None:
    # Class 0 has images 0 to 9: a fifth are two, the first and the last. Class 1 has 10 to 12: one, the first.
    test = stored([0, 1])
    found = hold_out_validation(Dataset("mine", 2, stored([0] * 10 + [1] * 3), test))
    assert numbers(found.validation) == [0, 9, 10]
    assert numbers(found.train) == [1, 2, 3, 4, 5, 6, 7, 8, 11, 12]
    assert found.train.labels.tolist() == [0] * 8 + [1] * 2
    assert found.test is test


def test_images_on_disk_are_held_out_without_being_read() -> None:
    train = stored([0, 0, 1, 1])
    found = hold_out_validation(Dataset("mine", 2, train, stored([0, 1])))
    for split in (found.train, found.validation):
        assert split is not None
        assert isinstance(split.images, Pixels)
        assert isinstance(train.images, Pixels)
        assert split.images.stored is train.images.stored
        assert split.images.shape == (2, 1, 1, 1)
    again = found.train.subset(np.array([1]))  # a subset of a subset
    assert numbers(again) == [3]


def test_a_declared_validation_split_is_taken_as_it_is() -> None:
    declared = Dataset("mine", 2, stored([0, 1]), stored([0, 1]), validation=stored([1, 0, 1]))
    assert hold_out_validation(declared) is declared


def test_digits_have_enough_images_for_validation() -> None:
    digits = data.load("digits")
    found = hold_out_validation(digits)
    assert found.validation is not None
    # 1,437 training images: a fifth of each class of 138 to 147 are 28 or 29.
    assert set(np.bincount(found.validation.labels)) == {28, 29}
    train = {image.tobytes() for image in found.train.images}
    assert not any(image.tobytes() in train for image in found.validation.images[:])


@pytest.mark.parametrize(
    ("labels", "says"),
    [([0, 0, 1], "class 'b' of mine has 1 training image, and needs 2"), ([0, 0], "class 'b' of mine has 0 training")],
)
def test_too_few_images_of_a_class_are_named(labels: list[int], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        hold_out_validation(Dataset("mine", 2, stored(labels), stored([0, 1]), class_names=("a", "b")))
    with pytest.raises(BadInput, match="class '1' of mine"):
        hold_out_validation(Dataset("mine", 2, stored(labels), stored([0, 1])))
