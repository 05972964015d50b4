"""Means, differences and contrasts of cells over shared seeds and test images, against numbers worked by hand."""

import numpy as np
import pytest

from moebench.errors import BadInput
from moebench.statistics import Contrast, Crossed, ImageCovariance, Variance

NAN = float("nan")
DIFFERENCE = np.array([1.0, -1.0])


def test_two_cells_are_paired_by_seed() -> None:
    # Differences 0.03, 0.02 and 0.04: a standard deviation of 0.01 and an error of 0.01 / √3 = 0.005774, 2 freedoms.
    found = Crossed(np.array([[0.96, 0.97, 0.98], [0.93, 0.95, 0.94]])).contrast(DIFFERENCE)
    assert (found.value, found.error, found.freedom) == pytest.approx((0.03, 0.0057735, 2))
    # Student's t of 2 freedoms is 4.3027 at 97.5 %; t = 5.196 has a two-sided probability of 0.0351.
    assert tuple(found.interval()) == pytest.approx((0.03, 0.03 - 0.024842, 0.03 + 0.024842), abs=1e-6)
    assert found.p_value() == pytest.approx(0.0351, abs=1e-4)
    assert found.p_value(0.03) == pytest.approx(1)
    assert (found.seeds, found.by_image) == (3, None)


def test_what_a_seed_does_to_all_cells_does_not_count() -> None:
    values = np.array([[0.0, 1, 2], [1, 3, 2], [5, 5, 8]])
    table, moved = Crossed(values), Crossed(values + np.array([10.0, -20, 5]))
    for weights in (np.array([1.0, -1, 0]), np.array([0.5, 0.5, -1])):
        assert moved.contrast(weights).error == pytest.approx(table.contrast(weights).error)


def test_the_scatter_is_pooled_over_cells() -> None:
    # Rows less their means: (-1, 0, 1) (-1, 1, 0) (-1, -1, 2). Less the means of their columns, -1, 0 and 1: (0, 0, 0)
    # (0, 1, -1) (0, -1, 1), 4 in squares over 2 · 2 freedoms: a variance of 1, and of a difference 2.
    table = Crossed(np.array([[0.0, 1, 2], [1, 3, 2], [5, 5, 8]]))
    assert table.variances.interaction == pytest.approx((1, 4))
    found = table.contrast(np.array([1.0, -1, 0]))
    assert (found.error, found.freedom) == pytest.approx((np.sqrt(2 / 3), 4))
    gaps = table.against(1)
    assert gaps.value.tolist() == pytest.approx([-1, 0, 4])
    assert gaps.error == pytest.approx([np.sqrt(2 / 3)] * 3)
    # t = -1.2247 and 4.899 with 4 freedoms.
    assert gaps.p_values == pytest.approx([0.2879, 1, 0.00805], abs=1e-4)


def test_test_images_are_a_sample_too() -> None:
    # A less B over seeds and images: 1 0 1 and 0 0 1, the means 2/3 and 1/3. Each seed's variance over images is 1/3,
    # their covariance 1/6; of a mean of three images 1/9 and 1/18. The noise of single images is 1/9 - 1/18 = 1/18, the
    # variance of the seeds' means (1/3)² / 2 = 1/18 as well, so that the error is √(1/18 / 2 + 1/18) = √(1/12).
    a, b = np.array([[1.0, 0, 1], [0, 0, 1]]), np.zeros((2, 3))
    images = ImageCovariance.from_values([a, b], ["t", "t"])
    found = Crossed(np.stack([a, b]).mean(axis=2), images).contrast(DIFFERENCE)
    assert (found.noise, found.by_image) == pytest.approx((1 / 18, 1 / 18))
    assert found.error == pytest.approx(np.sqrt(1 / 12))
    # One freedom of the part that two seeds estimate, (1/12)² / (1/36)² = 9 of the whole; t = 1.732.
    assert found.freedom == pytest.approx(9)
    assert found.p_value() == pytest.approx(0.1173, abs=1e-4)


def test_the_scatter_over_seeds_is_at_least_the_noise_of_single_images() -> None:
    # Both seeds gain one image of four, another one each: the means do not scatter, the images do.
    a, b = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]]), np.zeros((2, 4))
    found = Crossed(np.stack([a, b]).mean(axis=2), ImageCovariance.from_values([a, b], ["t", "t"])).contrast(DIFFERENCE)
    # Variance over images 1/4, covariance -1/12; of means 1/16 and -1/48, which stands for 0: noise 1/16 + 1/48 = 1/12.
    assert found.by_seed.value == 0
    assert found.error == pytest.approx(np.sqrt(1 / 12 / 2))


def test_cells_without_images_are_paired_by_seed_alone() -> None:
    values = np.random.default_rng(0).integers(0, 2, (3, 3, 20)).astype(float)
    images = ImageCovariance.from_values([values[0], None, values[2]], ["t", None, "t"])
    table = Crossed(values.mean(axis=2), images)
    assert table.contrast(np.array([1.0, -1, 0])).by_image is None
    assert table.contrast(np.array([1.0, 0, -1])).by_image is not None


def test_images_of_different_test_sets_are_independent() -> None:
    values = np.random.default_rng(1).integers(0, 2, (2, 3, 50)).astype(float)
    images = ImageCovariance.from_values(list(values), ["s", "t"])
    assert images.same_seed[0, 1] == images.other_seed[0, 1] == 0
    with pytest.raises(BadInput, match="test set 't' have 40 and 50 test images"):
        ImageCovariance.from_values([values[0], values[1, :, :40]], ["t", "t"])


def test_a_seed_that_moves_a_family_alike_counts_in_full() -> None:
    # Two families of two cells, two seeds. Rows less their means: ±1 ±1 in one family, ∓1 ∓1 in the other but for 0.5.
    values = np.array([[1.0, -1], [1, -1], [-1, 1], [-1.5, 1.5]])
    table = Crossed(values, families=["a", "a", "b", "b"])
    plain = Crossed(values)
    mean = np.array([0.5, 0.5, -0.5, -0.5])
    # The seeds' mean move is (-0.125, 0.125); 2 · (1.125² · 2 + 0.875² + 1.375²) = 10.375 in squares over 3 freedoms.
    # Within families 2 · (0.25² · 2) = 0.25 over 2 freedoms; 10.125 between them over 1, for families of 2 cells.
    assert plain.variances.interaction == pytest.approx((10.375 / 3, 3))
    assert table.variances.cell == pytest.approx((0.125, 2))
    assert table.variances.family == pytest.approx((10.125, 1))
    # The mean of two cells less that of two others: 2 / 2 of the families' square, and none of the cells'.
    assert table.contrast(mean).by_seed == pytest.approx((10.125, 1))
    assert plain.contrast(mean).by_seed == pytest.approx((10.375 / 3, 3))
    # Two cells of one family share what moves it.
    assert table.contrast(np.array([1.0, -1, 0, 0])).by_seed == pytest.approx((0.25, 2))


def test_a_cell_that_scatters_significantly_more_goes_by_its_own_scatter() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(12, 3)) + 50 * np.array([[1, -1, 0]]) * (np.arange(12) == 0)[:, None]
    table = Crossed(values)
    wild, tame = np.zeros(12), np.zeros(12)
    wild[:2], tame[2:4] = (1, -1), (1, -1)
    assert table.contrast(wild).freedom == 2
    assert table.contrast(wild).by_seed.value == pytest.approx((values[0] - values[1]).var(ddof=1))
    assert table.contrast(tame).freedom == 22


def test_missing_seeds() -> None:
    table = Crossed(np.array([[1.0, 2, 3, NAN], [1, 1, NAN, 5], [4, NAN, NAN, NAN]]))
    found = table.contrast(np.array([1.0, -1, 0]))
    assert (found.value, found.seeds) == (0.5, 2)
    assert np.isnan(table.contrast(np.array([1.0, 0, -1])).error)
    assert np.isnan(table.against(0).error).tolist() == [False, False, True]
    assert np.isnan(table.intervals()[1]).tolist() == [False, False, True]


def test_intervals_of_means_by_hand() -> None:
    # Squares about the means: 2, 2 and 2 over 6 freedoms if the seeds do not move all cells alike: here they leave
    # 0.667 for what they share and 5.333 for the rest, over 2 and 4 freedoms: 6² / (0.667² / 2 + 5.333² / 4) = 4.909.
    table = Crossed(np.array([[0.0, 1, 2], [3, 1, 2], [3, 5, 4]]))
    assert table.variances.within == pytest.approx((1, 36 / ((2 / 3) ** 2 / 2 + (16 / 3) ** 2 / 4)))
    means, low, high = table.intervals()
    assert means.tolist() == [1, 2, 4]
    # Student's t of 4.909 freedoms is 2.586: ± 2.586 / √3.
    assert (high - low) / 2 == pytest.approx([1.493] * 3, abs=1e-3)
    assert table.intervals(lowest=0.0, highest=5.0)[1][0] == 0
    assert table.intervals(lowest=0.0, highest=5.0)[2][2] == 5


def test_equal_values_are_no_certainty() -> None:
    # An image is 1/100: a variance of 1/12 of its square. ± 4.303 · 0.01 / √12 / √3 of three seeds.
    table = Crossed(np.array([[0.5, 0.5, 0.5]]), step=0.01)
    _, low, high = table.intervals()
    assert (high - low)[0] / 2 == pytest.approx(4.3027 * 0.01 / 6, abs=1e-5)
    both = Crossed(np.array([[0.5] * 3, [0.52] * 3]), step=0.01).contrast(DIFFERENCE)
    # t = -0.02 / (0.01 · √(2/36)) = -8.49 with 2 freedoms.
    assert both.p_value() == pytest.approx(0.01361, abs=1e-4)


def test_pairs_that_lack_other_seeds_keep_their_own() -> None:
    nan = np.nan
    # Pairs at 0.2 and 0.5, each without a seed of three: differences 0.06, -, 0.04 and -, 0.07, 0.09.
    table = Crossed(np.array([[0.26, nan, 0.24], [0.2, 0.2, 0.2], [0.5, 0.57, 0.59], [nan, 0.5, 0.5]]))
    found = table.contrast(np.array([[0.5, -0.5, 0, 0], [0, 0, 0.5, -0.5]]))
    # The mean of 0.05 and 0.08. One term alone would have the third seed only.
    assert (found.value, found.seeds) == (pytest.approx(0.065), 2)
    assert table.contrast(np.array([0.5, -0.5, 0.5, -0.5])).seeds == 1
    # With equal seeds terms are a plain sum.
    whole = Crossed(np.array([[0.26, 0.25, 0.24], [0.2, 0.21, 0.2], [0.55, 0.57, 0.59], [0.5, 0.52, 0.5]]))
    both, one = (whole.contrast(np.array(terms)) for terms in ([[0.5, -0.5, 0, 0], [0, 0, 0.5, -0.5]], [0.5, -0.5] * 2))
    assert (both.value, both.error, both.freedom) == pytest.approx((one.value, one.error, one.freedom))


def test_more_seeds_leave_the_error_of_the_images() -> None:
    one = Contrast(0.0, 3, Variance(9.0, 10.0), 0.0, 4.0)
    assert one.with_seeds(9).error == pytest.approx(np.sqrt(1 + 4))
    assert one.with_seeds(9).by_seed.freedom == 40
    assert one.with_seeds(10_000).error == pytest.approx(2, abs=1e-3)


def test_one_seed_says_nothing_about_what_images_do_under_every_seed() -> None:
    # Of values such as 0.1 the sums over one seed differ by rounding, which once was divided by 0 pairs of seeds.
    images = np.random.default_rng(0).random((5, 1, 300))
    found = ImageCovariance.from_values(list(images), ["t"] * 5)
    assert np.isnan(found.other_seed).all()
    assert found.same_seed[0, 0] == pytest.approx(images[0, 0].var(ddof=1) / 300)
    gaps = Crossed(images.mean(axis=2), found).against(0)
    assert gaps.value == pytest.approx(images.mean((1, 2)) - images[0].mean())
    assert np.isnan(gaps.p_values).all()
