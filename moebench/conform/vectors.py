"""The cases as files, so that a port's own tests can use them without moebench.

DIR/STRATEGY/CASE.npz    tokens, weights, outputs in float64; cotangent, and in float32 the gradients of
                         sum(outputs · cotangent) by the tokens and by each array of weights
DIR/STRATEGY/CASE.json   options, what the case tries, the source of the rules, and this format's version
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench.conform.cases import Case, cases
from moebench.conform.own_layer import own_layer
from moebench.conform.reference import reference
from moebench.conform.variants import STRATEGIES
from moebench.files import publishing

VERSION = 1


def write_vectors(folder: Path, strategies: Iterable[str] = STRATEGIES) -> Iterator[Path]:
    """Write every case of the strategies, and yield the paths.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        strategies: names in `STRATEGIES`.
    """
    for strategy in strategies:
        for case in cases(strategy):
            if not case.compared:
                continue
            stem = folder / strategy / case.name.replace(" ", "_")
            with publishing(stem.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **_arrays(strategy, case))
            yield stem.with_suffix(".npz")
            with publishing(stem.with_suffix(".json")) as temporary:
                temporary.write_text(json.dumps(_about(strategy, case), indent=1) + "\n", encoding="utf-8")
            yield stem.with_suffix(".json")


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


def _arrays(strategy: str, case: Case) -> dict[str, np.ndarray]:
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
