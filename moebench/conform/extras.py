"""Optional results of an adapter: auxiliary losses and gradients, compared with the reference's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from moebench.conform.cases import Case
from moebench.errors import BadInput, unknown

_CLOSE = 1e-4
"""Relative difference up to which two losses, or two gradients, count as equal in float32."""

Gates = Float64[np.ndarray, "group token expert"]
Loss = Callable[[Gates, np.ndarray, Gates], float]
"""A loss of gates, chosen experts int[group, token, k] and logits."""


@dataclass(frozen=True)
class LossResult:
    """One loss of a layer beside the reference's."""

    name: str
    given: float
    expected: float
    explained_by: str | None = None
    """The known variant that gives the layer's value if the two differ."""

    @property
    def agrees(self) -> bool:
        """Whether the losses are equal up to rounding."""
        return _close(self.given, self.expected)


def _cv2(amounts: np.ndarray, ddof: int = 0) -> float:
    return float((amounts.var(-1, ddof=ddof) / amounts.mean(-1) ** 2).mean())


def _balance(gates: Gates, choice: np.ndarray, *, choices: int | None = 1, together: bool = False) -> float:
    """Return E · Σ f · P (2006.16668, algorithm 1; 2101.03961, equation 4).

    Args:
        gates: gates of each group.
        choice: chosen experts.
        choices: first choices that f counts; None for all k.
        together: whether all groups are averaged together.
    """
    experts, counted = gates.shape[-1], choice[..., :choices]
    share = (counted[..., None] == np.arange(experts)).sum(-2) / counted.shape[-1]
    axes = (0, 1) if together else 1
    return float(experts * np.sum(share.mean(axes) * gates.mean(axes), -1).mean())


def _log_sum_exp(logits: np.ndarray) -> np.ndarray:
    largest = logits.max(-1)
    total: np.ndarray = largest + np.log(np.exp(logits - largest[..., None]).sum(-1))
    return total


LOSSES: Mapping[str, tuple[Loss, Mapping[str, Loss]]] = {
    # 2106.05974, equation 6.
    "importance": (
        lambda gates, choice, logits: _cv2(gates.sum(1)),
        {
            "the variance over experts is that of a sample, n − 1": lambda gates, choice, logits: _cv2(gates.sum(1), 1),
            "it is the variation, not its square": lambda gates, choice, logits: float(
                (gates.sum(1).std(-1) / gates.sum(1).mean(-1)).mean()
            ),
            "all groups are summed together": lambda gates, choice, logits: _cv2(gates.sum((0, 1))),
        },
    ),
    "balance": (
        lambda gates, choice, logits: _balance(gates, choice),
        {
            "f counts all k choices, not the first": lambda gates, choice, logits: _balance(
                gates, choice, choices=None
            ),
            "f counts all k choices without dividing by k": lambda gates, choice, logits: (
                choice.shape[-1] * _balance(gates, choice, choices=None)
            ),
            "all groups are averaged together": lambda gates, choice, logits: _balance(gates, choice, together=True),
            "the factor E is missing": lambda gates, choice, logits: _balance(gates, choice) / gates.shape[-1],
        },
    ),
    # 2202.08906, equation 5.
    "z": (
        lambda gates, choice, logits: float((_log_sum_exp(logits) ** 2).mean()),
        {
            "it is a sum over tokens, not their mean": lambda gates, choice, logits: float(
                (_log_sum_exp(logits) ** 2).sum()
            ),
            "the logarithm is not squared": lambda gates, choice, logits: float(_log_sum_exp(logits).mean()),
        },
    ),
}
"""Each loss by the papers, and the variants of public code."""


def compare_losses(case: Case, given: Mapping[str, float]) -> tuple[LossResult, ...]:
    """Compare unweighted losses of softmax gates with the papers'.

    Args:
        case: a case of a strategy in which tokens choose experts.
        given: losses of the layer by name: importance, balance, z.

    Raises:
        BadInput: a loss has an unknown name.
    """
    logits = np.asarray(case.tokens, np.float64) @ np.asarray(case.weights["kernel"], np.float64)
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    gates = exps / exps.sum(-1, keepdims=True)
    choice = np.argsort(-gates, axis=-1, kind="stable")[..., : int(case.options["top_k"])]
    found = []
    for name, value in given.items():
        if name not in LOSSES:
            raise unknown("loss", name, LOSSES, of="the adapter")
        paper, variants = LOSSES[name]
        expected = paper(gates, choice, logits)
        why = None
        if not _close(value, expected):
            near = (says for says, variant in variants.items() if _close(value, variant(gates, choice, logits)))
            why = next(near, None)
        found.append(LossResult(name, float(value), expected, why))
    return tuple(found)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _CLOSE * max(abs(other), 1e-6)


def compare_gradients(
    strategy: str, case: Case, gradients: Callable[..., Mapping[str, np.ndarray]], given: Mapping[str, object]
) -> dict[str, float]:
    """Return the largest difference of each gradient of sum(outputs · cotangent) over its largest value.

    Args:
        strategy: the strategy of the layer.
        case: weights, options and tokens.
        gradients: the adapter's function of weights, tokens and cotangent.
        given: the weights that the adapter receives.

    Raises:
        BadInput: the function raises, or returns a gradient of another name or shape.
    """
    import jax
    import jax.numpy as jnp

    from moebench.conform.own_layer import own_layer

    apply, parameters = own_layer(strategy, case.weights, case.options)
    cotangent = np.random.default_rng(11).normal(size=case.tokens.shape).astype(np.float32)
    program = jax.jit(jax.grad(lambda weights, tokens: (apply(weights, tokens) * cotangent).sum(), (0, 1)))
    by_weights, by_tokens = program(parameters, jnp.asarray(case.tokens))
    expected = {"tokens": by_tokens, **by_weights}
    try:
        found = dict(gradients(given, case.tokens.copy(), cotangent.copy()))
    except Exception as error:
        raise BadInput(f"gradients(weights, tokens, cotangent) fails: {type(error).__name__}: {error}.") from error
    distances = {}
    for name, value in found.items():
        if name not in expected:
            raise unknown("gradient", name, expected, of="the adapter")
        wanted, array = np.asarray(expected[name], np.float64), np.asarray(value, np.float64)
        if array.shape != wanted.shape:
            raise BadInput(
                f"the gradient by '{name}' has shape {list(array.shape)}; it should be {list(wanted.shape)}."
            )
        distances[name] = float(np.abs(array - wanted).max() / max(np.abs(wanted).max(), 1e-12))
    return distances
