"""The store and the statistics are cheap to import, and their public names are there."""

import subprocess
import sys
from pathlib import Path

import pytest
from results_rows import finish

from moebench.results import Store

_USE = """
import sys
import numpy
from moebench.results import Store
from moebench.statistics import Crossed, median_interval, probability_of_improvement
store = Store(sys.argv[1], "small")
assert len(store.finished()) == 4
Crossed(numpy.ones((2, 2))).intervals(), median_interval([1, 2, 3])
probability_of_improvement([1, 2], [1, 2])
print(*sorted({"jax", "pandas", "scipy.stats", "seaborn", "altair"} & set(sys.modules)))
"""


def test_neither_brings_in_what_is_slow_to_import(tmp_path: Path) -> None:
    store = Store(tmp_path, "small")
    finish(store, "a")
    store.seal("r1")
    finish(store, "b", run_id="r2")
    done = subprocess.run([sys.executable, "-c", _USE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", ["moebench.results", "moebench.statistics"])
def test_public_names_are_sorted_and_there(module: str) -> None:
    namespace = __import__(module, fromlist=["__all__"])
    constants_first = sorted(namespace.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert namespace.__all__ == constants_first
    assert all(hasattr(namespace, name) for name in namespace.__all__)
