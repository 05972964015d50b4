"""Position embeddings at another resolution."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import tiny

from moebench.models.positions import interpolated


def test_positions_between_positions_lie_between_them() -> None:
    model = replace(tiny(), image_size=8)  # 4 × 4 patches
    corners = np.array([[0.0], [1.0], [2.0], [3.0]])
    # Along each axis the centres of 4 patches stand at 1/8, 3/8 ..., those of 2 at 1/4 and 3/4: shares 0, 1/4, 3/4, 1.
    line = np.array([0.0, 0.25, 0.75, 1.0])
    expected = 2 * line[:, None] + line
    assert interpolated(corners, model).reshape(4, 4) == pytest.approx(expected)
    whole = np.arange(16.0)[:, None]
    assert (interpolated(whole, model) == whole).all()
    with_token = replace(model, preset=replace(model.preset, class_token=True))
    found = interpolated(np.concatenate([[[9.0]], corners]), with_token)
    assert found[0] == 9.0
    assert found[1:].reshape(4, 4) == pytest.approx(expected)
