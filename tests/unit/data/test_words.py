"""words-N: what an image shows, its known optimum, the same images everywhere, and what names and sizes there are."""

import hashlib

import numpy as np
import pytest

from moebench.data import registry, words
from moebench.data.dataset import Split
from moebench.errors import BadInput


def drawn(count: int = 200, size: int = 32) -> Split:
    generator = np.random.default_rng(0)
    shown, labels = words.sample(64, count, generator)
    return Split(words.draw(words.patterns(64)[shown], size // 32, generator), labels)


def read(images: np.ndarray, scale: int = 1) -> np.ndarray:
    """Return the number of the nearest word at each place of each image."""
    patches = (
        images[:, ::scale, ::scale].reshape(len(images), 8, 4, 8, 4, 3).swapaxes(2, 3).reshape(len(images), 64, -1)
    )
    vocabulary = words.patterns(64).reshape(64, -1)
    return np.abs(patches[:, :, None] - vocabulary).sum(-1).argmin(-1)


def test_two_words_are_set_side_by_side_row_by_row() -> None:
    pattern = words.patterns(64)
    shown = np.zeros((1, 64), int)
    shown[0, 1], shown[0, 8] = 5, 7  # the second place of the first row, and the first of the second row
    image = words.draw(pattern[shown], 1, np.random.default_rng(0))[0].astype(int)
    for word, (row, column) in {0: (0, 0), 5: (0, 4), 7: (4, 0)}.items():
        assert np.abs(image[row : row + 4, column : column + 4] - pattern[word]).max() <= words.NOISE


def test_enlarged_images_show_the_same_words() -> None:
    small, large = drawn(3, 32), drawn(3, 64)
    np.testing.assert_array_equal(read(small.images), read(large.images, 2))


def test_labels_are_those_of_most_words() -> None:
    split = drawn()
    votes = np.stack([np.bincount(image % 16, minlength=16) for image in read(split.images)])
    # Expected: 64 × (1/4 + 3/4 × 1/16) = 19 votes for the label, and 3 for each of the others.
    assert votes[np.arange(len(votes)), split.labels].mean() == pytest.approx(19, abs=1)
    assert (votes.argmax(1) == split.labels).mean() > 0.99


def test_images_are_the_same_everywhere() -> None:
    split = drawn(50)
    digest = hashlib.sha256(split.images.tobytes() + split.labels.astype("<i8").tobytes()).hexdigest()
    assert digest.startswith("20e5563d38871009")


@pytest.mark.parametrize(
    ("name", "size", "nearest"),
    [
        ("words-8", None, "words-64"),
        ("words-500", None, "words-496"),
        ("words-99999", None, "words-4096"),
        ("words-64", 40, "is 32"),
        ("words-64", 16, "is 32"),
        ("words-64", 500, "is 224"),
    ],
)
def test_other_numbers_and_sizes_are_refused_with_the_nearest(name: str, size: int | None, nearest: str) -> None:
    with pytest.raises(BadInput, match=nearest):
        registry.find(name).format(size)
