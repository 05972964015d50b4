"""The cases as files, so that a port's own tests can use them without moebench.

DIR/STRATEGY/CASE.npz    tokens, weights, outputs in float64; cotangent, and in float32 the gradients of
                         sum(outputs · cotangent) by the tokens and by each array of weights
DIR/STRATEGY/CASE.json   options, what the case tries, the source of the rules, and this format's version
"""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from moebench.conform.variants import STRATEGIES
from moebench.files import publishing

VERSION = 1
"""Version of the format of the files."""
SHIPPED = Path(__file__).with_name("vectors.zip")
"""The files of all strategies, made by `make_vectors`."""


def export_vectors(folder: Path, strategies: Iterable[str] = STRATEGIES) -> Iterator[Path]:
    """Copy the shipped files of the strategies into a folder, and yield their paths.

    Args:
        folder: made if it is missing; files of equal names are replaced.
        strategies: names in `STRATEGIES`.
    """
    with zipfile.ZipFile(SHIPPED) as shipped:
        for strategy in strategies:
            for name in sorted(shipped.namelist()):
                if name.startswith(f"{strategy}/"):
                    with publishing(folder / name) as temporary:
                        temporary.write_bytes(shipped.read(name))
                    yield folder / name
