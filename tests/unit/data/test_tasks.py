"""Diagnostic tasks: their rules read back from the pixels, the same images everywhere, and what names and sizes are."""

import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from moebench import data
from moebench.data.dataset import Pixels, Split
from moebench.data.tasks import domains, lookup, needles, words
from moebench.data.tasks.glyphs import GLYPHS, alphabet
from moebench.data.tasks.scenes import NO_GROUP, NOISE, Scenes, draw, tables
from moebench.data.tasks.source import KINDS, Task
from moebench.errors import BadInput
from moebench.spec.tasks import domain_entropy, domain_shares


def generator() -> np.random.Generator:
    return np.random.default_rng(5)


def test_glyphs_lie_at_least_four_points_apart() -> None:
    glyphs = alphabet()
    assert len(glyphs) == GLYPHS
    assert min((one != other).sum() for one, other in combinations(glyphs, 2)) >= 4


def test_no_two_tables_agree_in_any_symbol() -> None:
    found = tables(16, 1)
    everything = list(range(16))
    assert all(sorted(table) == everything for table in found)
    assert all(sorted(column) == everything for column in found.T)
    np.testing.assert_array_equal(tables(3, 1), found[:3])


def test_shares_of_domains_by_hand() -> None:
    # 1 : 1/2 : 1/3 is 6 : 3 : 2 of 11.
    np.testing.assert_allclose(domain_shares(3, skewed=True), [6 / 11, 3 / 11, 2 / 11])
    np.testing.assert_allclose(domain_shares(4, skewed=False), [0.25] * 4)
    assert domain_entropy(4, skewed=False) == pytest.approx(2)
    # Shares of 2/3 and 1/3: 2/3 · log2(3/2) + 1/3 · log2(3).
    assert domain_entropy(2, skewed=True) == pytest.approx(0.9183, abs=1e-4)


def test_the_label_of_a_domain_follows_its_table() -> None:
    scenes = domains.sample(4, 200, generator())
    assert set(scenes.truth[:, 0]) == {0, 1, 2, 3}
    assert (scenes.truth == scenes.truth[:, :1]).all()
    for image in range(200):
        ground = np.median(scenes.patches[image], axis=(0, 1, 2))
        shown = (scenes.patches[image] != ground.astype(np.uint8)).any(-1)
        glyphs = shown[shown.any((1, 2))]
        assert len(glyphs) == 8
        assert (glyphs == glyphs[0]).all()
        symbol = next(number for number, glyph in enumerate(alphabet()) if (glyph == glyphs[0]).all())
        assert scenes.label[image] == tables(4, domains._TABLES)[scenes.truth[image, 0], symbol]


def test_rare_domains_are_rare() -> None:
    domain = domains.sample(16, 20_000, generator(), skewed=True).truth[:, 0]
    expected = 20_000 * np.array(domain_shares(16, skewed=True))
    assert (np.abs(np.bincount(domain) - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("count", [1, 2])
def test_needles_alone_decide_the_label(count: int) -> None:
    scenes = needles.sample(count, 100, generator())
    is_needle = scenes.truth != NO_GROUP
    assert (is_needle.sum(1) == count).all()
    for image, label in enumerate(scenes.label):
        needle, *others = scenes.patches[image][is_needle[image]]
        assert all((other == needle).all() for other in others)
        red, green, blue = np.moveaxis(needle == needles._INK, -1, 0)
        assert not green.any()
        symbol, sign = (
            next(n for n, glyph in enumerate(alphabet()) if (glyph == found).all()) for found in (red, blue)
        )
        assert label == tables(8, needles._TABLES)[sign - 16, symbol]
        assert (scenes.truth[image][is_needle[image]] == sign - 16).all()
    distractors = scenes.patches[~is_needle]
    assert (distractors[..., [0, 2]] == needles._GROUND).all()
    # Needles stand anywhere: of 100 images, no place has more than a few.
    assert is_needle.sum(0).max() < 10 * count


def test_labels_are_those_of_most_words() -> None:
    scenes = words.sample(64, 200, generator())
    vocabulary = words.vocabulary(64).reshape(64, -1)
    assert len(np.unique(vocabulary, axis=0)) == 64
    shown = (scenes.patches.reshape(200, 64, 1, -1) == vocabulary).all(-1).argmax(-1)
    votes = np.stack([np.bincount(image % 16, minlength=16) for image in shown])
    # Expected: 64 × (1/4 + 3/4 × 1/16) = 19 votes for the label, and 3 for each of the others.
    assert votes[np.arange(200), scenes.label].mean() == pytest.approx(19, abs=1)
    assert (votes.argmax(1) == scenes.label).mean() > 0.99
    # Words 0 to 15 are group 0, 16 to 31 group 1; each group has a word of each label.
    np.testing.assert_array_equal(scenes.truth, shown // 16)


@pytest.mark.parametrize(("name", "train"), [("words-64", 16_384), ("words-512", 16_384), ("words-4096", 131_072)])
def test_many_words_have_many_images(name: str, train: int) -> None:
    task = Task.named(name)
    assert task is not None
    assert task.images == {"train": train, "test": 2048}


def test_a_number_of_words_that_16_does_not_divide() -> None:
    scenes = words.sample(70, 300, generator())
    assert scenes.truth.max() == 4


def test_bits_by_hand() -> None:
    # Of 16 labels each is 4 bits; a loss of log 4 leaves 2 of them, and guessing leaves all.
    assert lookup.bits(0.0, 100) == pytest.approx(400)
    assert lookup.bits(np.log(4), 100) == pytest.approx(200)
    assert lookup.bits(np.log(16), 100) == pytest.approx(0)


def test_pixels_are_drawn_patch_by_patch_with_the_truth_behind_them() -> None:
    patches = np.full((1, 64, 4, 4, 3), 100, np.uint8)
    patches[0, 9, 1, 2] = 200, 150, 50  # row 1, column 1 of the grid: pixel row 5, column 6
    truth = np.zeros((1, 64), np.int64)
    truth[0, 63] = 7
    scenes = Scenes(patches, np.array([3]), truth)
    for size in (32, 64):
        image = draw(scenes, size, generator())[0].astype(int)
        scale = size // 32
        changed = np.abs(image[..., :3] - 100).max(-1) > NOISE
        rows, columns = np.nonzero(changed)
        assert set(rows) == set(range(5 * scale, 6 * scale))
        assert set(columns) == set(range(6 * scale, 7 * scale))
        assert np.abs(image[rows[0], columns[0], :3] - (200, 150, 50)).max() <= NOISE
        expected = np.zeros((size, size))
        expected[-size // 8 :, -size // 8 :] = 7
        np.testing.assert_array_equal(image[..., 3], expected)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("domains-16", "9795fe15525da008"),
        ("needles-2", "0bf90a8e3b17367c"),
        ("lookup-64", "f326eda2bb5cd4b5"),
        ("skewed-4", "7ba6923ae56e1e60"),
        ("words-64", "241686d1f1a52fc0"),
    ],
)
def test_images_are_equal_everywhere(name: str, digest: str) -> None:
    task = Task.named(name)
    assert task is not None
    images, labels = next(task.parts("test", 32))
    assert hashlib.sha256(images.tobytes() + labels.astype(np.int32).tobytes()).hexdigest()[:16] == digest


def test_a_lookup_is_tested_on_its_training_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    found = data.load("lookup-300", say=lambda line: None)
    np.testing.assert_array_equal(found.train.images[:], found.test.images[:])
    np.testing.assert_array_equal(found.train.labels, found.test.labels)
    assert found.format == data.Format(32, 3, 16, truth=True)
    assert found.test.truth is not None
    assert np.bincount(found.test.truth[:, 0, 0]).max() <= 19 + 1  # 300 of 16 groups


def test_the_truth_is_hidden_unless_it_is_wanted() -> None:
    stored = np.arange(3 * 2 * 2 * 4, dtype=np.uint8).reshape(3, 2, 2, 4)
    split = Split(Pixels(stored, (10.0, 20.0, 30.0, 9.0), (2.0, 4.0, 5.0, 3.0), hidden=1), np.arange(3, dtype=np.int32))
    assert split.images.shape == (3, 2, 2, 3)
    # The first pixel of image 2 has the bytes 32, 33, 34: (32 − 10) / 2, (33 − 20) / 4, (34 − 30) / 5.
    np.testing.assert_allclose(split.images[np.array([2])][0, 0, 0], [11, 3.25, 0.8], rtol=1e-6)
    chosen = split.subset(np.array([2, 0])).subset(np.array([0]))
    assert chosen.truth is not None
    np.testing.assert_array_equal(chosen.truth, [[[35, 39], [43, 47]]])
    shown = chosen.with_truth()
    assert shown.images.shape == (1, 2, 2, 4)
    np.testing.assert_allclose(shown.images[:][0, 0, 0], [11, 3.25, 0.8, 35], rtol=1e-6)
    assert Split(stored, split.labels).truth is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("domains-17", "domains-16"),
        ("domains-1", "domains-2"),
        ("skewed-100", "skewed-16"),
        ("needles-65", "needles-32"),
        ("needles-0", "needles-1"),
        ("lookup-3", "lookup-64"),
        ("words-8", "words-64"),
        ("lookup-1000000", "lookup-16384"),
        ("domain-16", "domains-16"),
    ],
)
def test_numbers_out_of_range_name_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(BadInput, match=nearest) as mistake:
        data.find(name)
    assert mistake.value.key == "data"
    data.find(nearest)


@pytest.mark.parametrize(("size", "nearest"), [(16, 32), (40, 32), (50, 64), (225, 224), (500, 224)])
def test_sizes_that_glyphs_do_not_fit_name_the_nearest(size: int, nearest: int) -> None:
    task = data.find("needles-1")
    with pytest.raises(BadInput, match=f": {nearest} is the nearest") as mistake:
        task.format(size)
    assert mistake.value.key == "image_size"
    assert task.format(nearest).image_size == nearest


def test_each_task_is_listed_and_described() -> None:
    for kind, declared in KINDS.items():
        name = f"{kind}-{declared.usual}"
        assert name in data.names()
        assert data.describe(name).startswith("Diagnostic task, 32 × 32 pixels")
