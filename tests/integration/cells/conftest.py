"""Halve how long a cell compiles: the smallest model has half its depth, and recorders are not optimised.

Neither decides anything of what is tested here.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from recordings import unoptimised

from moebench.models.presets import SIZES


@pytest.fixture(scope="module", autouse=True)
def two_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "mu", replace(SIZES["mu"], layers=2))
        with unoptimised():
            yield
