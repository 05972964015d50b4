"""Data sets: the digits' split, and batches that see every image before any again."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from moebench import data
from moebench.data import Prefetcher, Split, batch_thunks, batches
from moebench.data.batches import augmented
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


def test_bytes_come_out_scaled_by_their_mean_and_deviation() -> None:
    # Means 10 and 100, deviations 5 and 20: (20 − 10) / 5 = 2 and (80 − 100) / 20 = −1.
    stored = np.tile(np.array([20, 80], np.uint8), (3, 2, 2, 1))
    taken = data.Pixels(stored, mean=(10.0, 100.0), std=(5.0, 20.0))[np.array([2, 0])]
    assert taken.shape == (2, 2, 2, 2)
    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken[..., 0], 2.0)
    np.testing.assert_allclose(taken[..., 1], -1.0)


def test_images_of_one_colour_are_scaled_to_nothing_and_not_to_infinity() -> None:
    flat = data.Pixels(np.full((1, 2, 2, 1), 7, np.uint8), mean=(7.0,), std=(0.0,))
    np.testing.assert_array_equal(flat[:], 0.0)


class Fixed(np.random.Generator):
    """Stands in for a random generator: the shifts and mirrors that a test wants."""

    def __init__(self, *answers: list[int] | list[list[int]]) -> None:
        super().__init__(np.random.PCG64(0))
        self.answers = iter(answers)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:  # type: ignore[override]
        answer = np.array(next(self.answers))
        assert answer.shape == shape
        assert (low <= answer).all()
        assert (answer < high).all()
        return answer


def test_a_shift_moves_the_image_and_mirrors_its_edge_in() -> None:
    # A side of 8 is shifted by at most 1. Columns are numbered 0 to 7; the second image moves right by 1, so that its
    # column 0 appears twice, and is then mirrored.
    image = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None], (8, 8, 1))
    generator = Fixed([[1, 1], [1, 0]], [0, 1])
    still, moved = augmented(np.stack([image, image]), "crop-flip", generator)
    np.testing.assert_array_equal(still, image)
    np.testing.assert_array_equal(moved[3, :, 0], [6, 5, 4, 3, 2, 1, 0, 0])
    unmirrored = augmented(np.stack([image, image]), "crop", Fixed([[1, 1], [1, 0]], [0, 1]))[1]
    np.testing.assert_array_equal(unmirrored[3, :, 0], [0, 0, 1, 2, 3, 4, 5, 6])


def test_a_training_that_goes_on_sees_the_same_changed_images() -> None:
    images = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32)
    whole = list(batches(Split(images, np.arange(20, dtype=np.int32)), 8, 6, seed=3, augment="crop-flip"))
    rest = list(batches(Split(images, np.arange(20, dtype=np.int32)), 8, 6, seed=3, augment="crop-flip", done=4))
    assert len(rest) == 2
    for after, before in zip(rest, whole[4:], strict=True):
        np.testing.assert_array_equal(after.images, before.images)
        np.testing.assert_array_equal(after.labels, before.labels)


def test_a_feed_hands_over_every_batch_in_order_and_keeps_account() -> None:
    feed = Prefetcher(batch_thunks(split(50), 10, 5, seed=0))
    expected = [part.labels for part in batches(split(50), 10, 5, seed=0)]
    np.testing.assert_array_equal([part.labels for part in feed], expected)
    assert feed.count == 5
    assert feed.made_s > 0
    assert feed.waited_s > 0


def test_a_feed_passes_on_what_went_wrong() -> None:
    def broken() -> Split:
        raise BadInput("the image is broken")

    with pytest.raises(BadInput, match="the image is broken"):
        list(Prefetcher(iter([lambda: split(2), broken])))


def test_a_feed_that_is_left_early_makes_no_more() -> None:
    feed = Prefetcher(batch_thunks(split(50), 10, 1000, seed=0))
    for _ in feed:
        break
    assert feed.count == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_digits_are_enlarged_with_straight_lines_between_their_pixels() -> None:
    own, larger = (data.load("digits", size).test for size in (8, 16))
    assert larger.images.shape == (360, 16, 16, 1)
    np.testing.assert_array_equal(larger.labels, own.labels)
    # The middles of the new pixels lie a quarter of an old pixel to either side of the old middles: between a and b
    # stand 3/4 a + 1/4 b and 1/4 a + 3/4 b, and at the edge a itself.
    rows = own.images[0, :, :, 0]
    a, b = rows[:-1], rows[1:]
    between = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(14, 8)
    tall = np.concatenate([rows[:1], between, rows[-1:]])
    a, b = tall[:, :-1], tall[:, 1:]
    between = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=2).reshape(16, 14)
    whole = np.concatenate([tall[:, :1], between, tall[:, -1:]], axis=1)
    np.testing.assert_allclose(larger.images[0, :, :, 0], whole, atol=1e-6)


@pytest.mark.parametrize("size", [4, 225])
def test_digits_are_not_made_smaller_nor_huge(size: int) -> None:
    with pytest.raises(BadInput, match=f"digits has images of 8 × 8 pixels, which can be enlarged .*={size} was"):
        data.load("digits", size)
    assert data.load("digits", 8).image_size == 8
