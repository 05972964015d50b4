"""What one test image is worth."""

import numpy as np
import pytest

from moebench.statistics import image_step, smallest_step


def test_steps_by_hand() -> None:
    assert smallest_step(np.array([0.1, 0.5, 0.4, 0.4])) == pytest.approx(0.1)
    # 0.3 and 0.1 + 0.2 differ by rounding.
    assert smallest_step(np.array([0.3, 0.1 + 0.2])) == 0


def test_the_number_of_images_is_taken_if_known() -> None:
    assert image_step(np.array([0.9]), 360) == 1 / 360


def test_the_number_of_images_is_read_off_accuracies() -> None:
    accuracies = np.array([349, 351, 350, 337]) / 360
    assert image_step(accuracies, None) == pytest.approx(1 / 360)
    assert image_step(accuracies.astype(np.float32).astype(float), None) == pytest.approx(1 / 360)
    # 0.75 and 0.5 are of any hundred images: the largest step there is, for want of more.
    assert image_step(np.array([0.75, 0.5, 1.0]), None) == 1 / 100
    assert image_step(np.array([1.0, 1.0]), None) == 1 / 100
    assert image_step(np.random.default_rng(0).uniform(size=9), None) == 1 / 10_000
