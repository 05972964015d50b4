"""Compute the exported cases: `python -m moebench.conform.make_vectors` replaces the shipped files."""

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench.conform.cases import Case, cases
from moebench.conform.own_layer import own_layer
from moebench.conform.reference import reference
from moebench.conform.variants import STRATEGIES
from moebench.conform.vectors import SHIPPED, VERSION
from moebench.files import publishing


def make_vectors(folder: Path, strategies: Iterable[str] = STRATEGIES) -> Iterator[Path]:
    """Compute every case of the strategies, write the files, and yield their paths.

    Args:
        folder: made if it is missing; files of equal names are replaced.
        strategies: names in `STRATEGIES`.
    """
    for strategy in strategies:
        for case in cases(strategy):
            if not case.compared:
                continue
            name = case.name.replace(" ", "_")
            path = folder / strategy / f"{name}.npz"
            with publishing(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **_arrays(strategy, case))
            yield path
            path = folder / strategy / f"{name}.json"
            with publishing(path) as temporary:
                temporary.write_text(json.dumps(_about(strategy, case), indent=1) + "\n", encoding="utf-8")
            yield path


def _about(strategy: str, case: Case) -> dict[str, Any]:
    return {
        "version": VERSION,
        "strategy": strategy,
        "source": STRATEGIES[strategy].source,
        "case": case.name,
        "says": case.says,
        "options": dict(case.options),
        "arrays": {name: list(np.shape(value)) for name, value in case.weights.items()},
    }


def _arrays(strategy: str, case: Case) -> dict[str, Any]:
    layer = reference(strategy, case.weights, case.options, case.tokens)
    cotangent = np.random.default_rng(11).normal(size=case.tokens.shape).astype(np.float32)
    apply, parameters = own_layer(strategy, case.weights, case.options)
    gradient = jax.jit(jax.grad(lambda given, x: (apply(given, x) * cotangent).sum(), (0, 1)))
    by_weights, by_tokens = gradient(parameters, jnp.asarray(case.tokens))
    arrays: dict[str, np.ndarray] = {
        "tokens": case.tokens,
        **{name: np.asarray(value) for name, value in case.weights.items()},
        "outputs": layer.outputs,
        "cotangent": cotangent,
        "gradient_tokens": np.asarray(by_tokens),
        **{f"gradient_{name}": np.asarray(value) for name, value in by_weights.items()},
    }
    if layer.dropped is not None:
        arrays["dropped"] = layer.dropped.astype(bool)
    return arrays


def main() -> None:
    """Replace the shipped files."""
    with (
        TemporaryDirectory() as folder,
        publishing(SHIPPED) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as shipped,
    ):
        for path in make_vectors(Path(folder)):
            # Without the time of day, so that equal files make an equal archive.
            shipped.writestr(zipfile.ZipInfo(str(path.relative_to(folder))), path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
