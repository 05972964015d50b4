"""Halve the depth of the smallest model, which decides how long a cell compiles and nothing of what is tested here."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from moebench.models.presets import SIZES


@pytest.fixture(scope="module", autouse=True)
def two_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "mu", replace(SIZES["mu"], layers=2))
        yield
