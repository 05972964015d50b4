"""Fractals drawn by formula: numbers worked by hand, the same images everywhere, and what names and sizes there are."""

import hashlib

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench import data
from moebench.data.fractals import classes as systems
from moebench.data.fractals import images as instances
from moebench.data.fractals import render, source
from moebench.data.fractals.classes import Systems
from moebench.data.fractals.render import ONE, UNIT, hashed
from moebench.errors import BadInput


@pytest.fixture(scope="module")
def classes() -> Systems:
    return systems.draw(12)


def one_system(*maps: list[int]) -> Systems:
    """A system of these maps with even shares."""
    filled = np.zeros((1, render.MOST_MAPS, 6), np.int32)
    filled[0, : len(maps)] = maps
    shares = np.minimum(np.arange(1, render.MOST_MAPS + 1), len(maps)) * (1 << render.SHARE_BITS) // len(maps)
    return Systems(filled, shares[None].astype(np.uint32))


def test_the_fixed_point_of_a_map() -> None:
    # x = x/2 + 0.5 gives x = 1; y = y/4 − 0.75 gives y = −1.
    plain = [ONE // 2, 0, 0, ONE // 4, UNIT // 2, -3 * UNIT // 4]
    # x = y/2 + 0.5 and y = −x/2 + 1: x = −x/4 + 1, so x = 0.8 and y = 0.6.
    turning = [0, ONE // 2, -ONE // 2, 0, UNIT // 2, UNIT]
    x, y = render.fixed_point(jnp.array([plain, turning], jnp.int32))
    np.testing.assert_allclose(x, [UNIT, 0.8 * UNIT], atol=2)
    np.testing.assert_allclose(y, [-UNIT, 0.6 * UNIT], atol=2)


def test_a_system_of_three_points_lights_three_pixels() -> None:
    # Maps without a linear part send every point to one place. Margins of 32 pixels are 1 wide, so the corners are
    # rows and columns 1 and 30. Of 2048 points, a third each: more than 16, the brightest.
    corners = [[0, 0, 0, 0, x, y] for x, y in ((-UNIT, -UNIT), (UNIT, -UNIT), (UNIT, UNIT))]
    system = one_system(*corners)
    image = render.render(system.maps, system.shares, np.array([5], np.uint32), 32)[0]
    assert sorted(zip(*np.nonzero(image), strict=True)) == [(1, 1), (1, 30), (30, 30)]
    assert set(image[image > 0].tolist()) == {255}


def test_the_sierpinski_gasket_leaves_its_middle_empty() -> None:
    # Three halvings towards three corners. The upper right half of the square holds no point but on the diagonal, and
    # the quarter-sized triangle in the middle none but on its edge.
    half = [ONE // 2, 0, 0, ONE // 2]
    system = one_system([*half, -UNIT // 2, -UNIT // 2], [*half, UNIT // 2, -UNIT // 2], [*half, -UNIT // 2, UNIT // 2])
    image = render.render(system.maps, system.shares, np.array([5], np.uint32), 68)[0]
    inner = image[2:-2, 2:-2] > 0  # 64 pixels, a margin of 68 // 32 around them
    row, column = np.indices((64, 64))
    assert not inner[row + column > 64].any()
    assert not inner[(row < 32) & (column < 32) & (row + column > 33)].any()
    assert inner[:, 0].mean() > 0.9


def test_filling_rate() -> None:
    images = np.array([[[0, 9], [0, 0]], [[1, 1], [255, 0]]], np.uint8)
    np.testing.assert_array_equal(systems.filling_rate(images), [0.25, 0.75])


def test_which_maps_contract() -> None:
    def scaled(*coefficients: float) -> list[int]:
        return [round(value * ONE) for value in coefficients] + [0, 0]

    # Singular values: 0.5 twice; 0.95 and 0.1; 0.95 twice, where both factors of the test are negative; 0.8 twice, of a
    # rotation by 3-4-5; and 1.0 and 0, of which each coefficient is small.
    maps = [scaled(0.5, 0, 0, 0.5), scaled(0.95, 0, 0, 0.1), scaled(0.95, 0, 0, 0.95), scaled(0.64, -0.48, 0.48, 0.64)]
    maps.append(scaled(0.5, 0.5, 0.5, 0.5))
    assert systems.contracts(np.array(maps, np.int64)).tolist() == [True, False, False, True, False]


def test_shares_follow_the_areas() -> None:
    # Areas of 1/4 and 1/8 (and none of the unused): two thirds and one third of 65536.
    maps = np.zeros((1, 8, 6), np.int64)
    maps[0, 0, [0, 3]] = ONE // 2, ONE // 2
    maps[0, 1, [0, 3]] = ONE // 2, ONE // 4
    assert systems._shares(maps).tolist() == [[43690] + [65536] * 7]


@given(st.integers(0, 2**32 - 1))
def test_the_hash_is_plain_arithmetic(x: int) -> None:
    expected = x
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        expected = (expected ^ expected >> shift) * factor % 2**32
    expected ^= expected >> 16
    assert hashed(np.array([x], np.uint32))[0] == expected


@given(key=st.integers(0, 2**32 - 1))
def test_one_coefficient_is_weighted_by_at_most_a_fifth(classes: Systems, key: int) -> None:
    before = classes[:3].maps
    after = systems.perturbed(classes[:3], np.full(3, key, np.uint32)).maps
    changed = np.unique(np.nonzero(before != after)[2])
    assert len(changed) <= 1
    for column in changed:
        old, new = before[..., column].astype(float), after[..., column].astype(float)
        assert (np.abs(new - old) <= 0.2 * np.abs(old) + 1).all()


def test_classes_fill_their_canvas_and_contract(classes: Systems) -> None:
    assert systems.contracts(classes.maps[..., :4].astype(np.int64)).all()
    low, high = render.extent(classes.maps, classes.shares, np.arange(12, dtype=np.uint32))
    # Stretched so that the larger extent is the canvas, give or take what the walkers happen to meet.
    np.testing.assert_allclose((high - low).max(1), 2 * UNIT, rtol=0.2)
    images = instances.render(classes, np.arange(12), np.zeros(12, np.int64), 64)
    assert images.shape == (12, 64, 64, 1)
    assert (systems.filling_rate(images[..., 0]) > 0.05).all()


def test_the_classes_of_fewer_are_the_first_of_more(classes: Systems) -> None:
    np.testing.assert_array_equal(systems.draw(10).maps, classes[:10].maps)


def test_an_image_is_what_it_is_whatever_is_rendered_beside_it(classes: Systems) -> None:
    together = instances.render(classes, np.array([3, 5, 3]), np.array([7, 1, 8]), 32)
    alone = instances.render(classes, np.array([5, 5, 5]), np.array([1, 2, 3]), 32)
    np.testing.assert_array_equal(together[1], alone[0])
    assert (together[0] != together[2]).any()


def test_the_images_are_those_that_everyone_has(classes: Systems) -> None:
    # Results of different machines are compared by the data set's name: an image changes for a reason only.
    images = instances.render(classes, np.arange(12), np.arange(12), 32)
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "3f746f49223ebe5e"


@pytest.mark.parametrize(("written", "name"), [("fractals-1000", "fractals-1k"), ("fractals-1500", "fractals-1500")])
def test_a_name_is_the_same_however_it_is_written(written: str, name: str) -> None:
    assert data.find(written).name == name
    assert data.find(name).format(None) == data.find(written).format(64)


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("fractals-9", None, "has from 10 to 10,000 classes, and 9 were asked for"),
        ("fractals-11k", None, "and 11,000 were asked for"),
        ("fractals-10", 16, "rendered at 32 to 224 pixels, and image_size=16 was asked for"),
        ("fractal-100", None, "did you mean 'fractals-100'"),
    ],
)
def test_what_is_not_rendered_is_said(name: str, size: int | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        data.load(name, size)


def test_a_small_set_is_rendered_once_and_then_read(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(source, "COUNTS", {"train": 3, "test": 2})
    first = data.load("fractals-10", 32)
    assert "50 images in" in capsys.readouterr().out
    again = data.load("fractals-10", 32)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(first.train.images[:], again.train.images[:])
    assert (len(first.train), len(first.test), first.classes, first.image_size) == (30, 20, 10, 32)
    assert first.train.labels.tolist() == [label for label in range(10) for _ in range(3)]
    # Scaled by the training split; and no image of one split is in the other.
    assert abs(first.train.images[:].mean()) < 1e-5
    assert abs(first.train.images[:].std() - 1) < 1e-5
    train = {image.tobytes() for image in first.train.images[:]}
    assert not any(image.tobytes() in train for image in first.test.images[:])
