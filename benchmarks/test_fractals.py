"""Rendering of fractals."""

from typing import Any

import numpy as np
import pytest

from moebench.data.fractals import classes
from moebench.data.fractals.images import render


@pytest.mark.parametrize("size", [32, 64])
def test_rendering_of_64_fractals(benchmark: Any, size: int) -> None:
    systems = classes.draw(64)
    labels, numbers = np.arange(64), np.zeros(64, np.int64)
    benchmark.pedantic(render, (systems, labels, numbers, size), rounds=10, warmup_rounds=1)
