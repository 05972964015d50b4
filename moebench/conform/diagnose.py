"""Compare a layer with the reference; find the fewest changed rules that explain a difference.

At most three rules are changed together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from moebench.conform.adapter import Adapter, Answer, as_given
from moebench.conform.cases import Case, cases
from moebench.conform.extras import LossResult, compare_gradients, compare_losses
from moebench.conform.reference import reference, settings_of
from moebench.conform.variants import STRATEGIES, VARIANTS, Setting, Variant
from moebench.errors import BadInput

ROUNDING = 2e-5
"""Largest difference, relative to the largest output, that the rounding of float32 explains in these cases."""
_NEAREST = 14
"""Number of variants, the nearest ones alone, that are tried in threes."""


@dataclass(frozen=True)
class CaseResult:
    """Distance of a layer from the reference in one case."""

    name: str
    says: str
    error: float
    """Largest difference over the largest reference output."""
    dropped_differ: int | None
    """Tokens that one of the two drops and the other processes; None if no token can be dropped."""
    finite: bool


@dataclass(frozen=True)
class Diagnosis:
    """The result of a comparison with the paper's layer."""

    strategy: str
    conforms: bool
    results: tuple[CaseResult, ...]
    explained_by: tuple[Variant, ...] = ()
    """Changed rules with which the reference agrees; empty if it agrees unchanged, or with no known change."""
    distances: tuple[tuple[str, float], ...] = ()
    """If nothing explains the layer: variants with the worst case's error, the nearest first."""
    repeated: float = 0.0
    """Largest difference between two calls; above 0 the layer is not deterministic."""
    unused: tuple[str, ...] = ()
    of_router: bool = False
    """Whether the layer gave the weights of a router alone, so that experts and activations are not compared."""
    nan_spreads: str | None = None
    """Reach of NaN in one token: nowhere, that token alone, its group, other groups as well."""
    losses: tuple[LossResult, ...] = ()
    """Auxiliary losses, if the layer gives them and tokens choose experts."""
    gradients: tuple[tuple[str, float], ...] = ()
    """Differences of gradients, if the adapter returns them and the layer conforms."""
    failures: tuple[tuple[str, str], ...] = ()
    """Cases in which the layer fails, with the error; they do not count."""
    ties: str | None = None
    """The expert that a token takes of two with equal logits: the lower, the higher, or neither rule; None for soft."""

    @property
    def error(self) -> float:
        """Error of the worst case."""
        return max((each.error for each in self.results), default=0.0)

    @property
    def verdict(self) -> str:
        """Verdict in one sentence."""
        what = "router" if self.of_router else "layer"
        paper = f"{self.strategy} ({STRATEGIES[self.strategy].source})"
        if self.repeated > ROUNDING:
            return f"The {what} is not deterministic: two calls differ by {self.repeated:.2g}; nothing is compared."
        if self.conforms:
            return f"The {what} is {paper}: it agrees within {self.error:.1g} in {len(self.results)} cases."
        if self.explained_by:
            rules = " and ".join(variant.says for variant in self.explained_by)
            return f"The {what} is not {paper}, but it agrees within {ROUNDING:.0g} if {rules}."
        near = ", ".join(f"'{name}' {distance:.2g}" for name, distance in self.distances[:3])
        return (
            f"The {what} is not {paper}: it differs by up to {self.error:.2g}, and no known variant or pair of "
            f"variants explains it; the nearest: {near}."
        )


def diagnose(adapter: Adapter, strategy: str) -> Diagnosis:
    """Try a layer on all cases, and find the rules that explain it.

    Args:
        adapter: the layer.
        strategy: name in `STRATEGIES` of the intended strategy.

    Raises:
        BadInput: in the first case, that of random tokens, the layer raises or returns arrays of another shape.
    """
    tried = cases(strategy)
    answers: dict[str, Answer] = {}
    failures: dict[str, str] = {}
    for case in tried:
        try:
            answers[case.name] = adapter.answer(case)
        except BadInput as error:
            if case is tried[0]:
                raise
            failures[case.name] = str(error)
    answered = [case for case in tried if case.name in answers]
    repeated = max(answer.repeated for answer in answers.values())
    results = tuple(_result(case, answers[case.name].outputs, strategy, {}) for case in answered if case.compared)
    of_router = answers[tried[0].name].of_router
    if repeated > ROUNDING:
        return Diagnosis(
            strategy, False, results, repeated=repeated, of_router=of_router, failures=tuple(failures.items())
        )
    aside = {case.name: case for case in answered if not case.compared}
    about: dict[str, Any] = {
        "unused": tuple(adapter.unused(tried[0])),
        "of_router": of_router,
        "nan_spreads": _spread(aside["NaN"], answers["NaN"].outputs) if "NaN" in aside else None,
        "failures": tuple(failures.items()),
    }
    if STRATEGIES[strategy].family == "tokens":
        about["losses"] = compare_losses(tried[0], answers[tried[0].name].losses)
    if all(each.error <= ROUNDING for each in results):
        if adapter.gradients is not None:
            distances = compare_gradients(strategy, tried[0], adapter.gradients, as_given(tried[0]))
            about["gradients"] = tuple(distances.items())
        return Diagnosis(strategy, True, results, ties=_ties(aside.get("ties"), answers, strategy, {}), **about)
    outputs = {name: answer.outputs for name, answer in answers.items()}
    compared = [case for case in answered if case.compared]
    variants = VARIANTS[STRATEGIES[strategy].family]
    given = tuple(variant for variant in variants if set(variant.unused) & set(about["unused"]))
    found, near = _explained(strategy, compared, outputs, given)
    ties = _ties(aside.get("ties"), answers, strategy, _changes(found))
    return Diagnosis(strategy, False, results, found, near, ties=ties, **about)


def _explained(
    strategy: str, tried: Sequence[Case], outputs: Mapping[str, np.ndarray], given: tuple[Variant, ...]
) -> tuple[tuple[Variant, ...], tuple[tuple[str, float], ...]]:
    """Return the fewest changed rules that agree in all cases, and each single rule's distance.

    Args:
        strategy: the intended strategy.
        tried: the cases that count.
        outputs: outputs of the layer by case.
        given: variants that follow from weights without effect; they are part of every combination.
    """
    unchanged = settings_of(strategy, _changes(given))
    known = [
        variant
        for variant in VARIANTS[STRATEGIES[strategy].family]
        if any(unchanged.get(key) != value for key, value in variant.changes)
    ]
    if given and _agrees(strategy, tried, outputs, given):
        return given, ()
    errors = {variant.name: _errors(strategy, tried, outputs, (*given, variant)) for variant in known}
    distances = sorted(((name, max(each)) for name, each in errors.items()), key=lambda pair: pair[1])
    for variant in known:
        if max(errors[variant.name]) <= ROUNDING:
            return (*given, variant), tuple(distances)
    # A rule of a pair rarely repairs all cases alone: pairs begin with the rules that are nearest in most cases, and
    # each pair ends at its first case that differs.
    order = sorted(known, key=lambda each: (np.median(errors[each.name]), max(errors[each.name])))
    for count, among in ((2, len(order)), (3, _NEAREST)):
        for places in sorted(combinations(range(min(among, len(order))), count), key=sum):
            several = tuple(order[place] for place in places)
            if not _conflict(several) and _agrees(strategy, tried, outputs, (*given, *several)):
                return (*given, *several), tuple(distances)
    return (), tuple(distances)


def _conflict(variants: Sequence[Variant]) -> bool:
    """Return whether two of the variants change one setting."""
    changed = [key for variant in variants for key, _ in variant.changes]
    return len(changed) > len(set(changed))


def _changes(variants: Sequence[Variant]) -> dict[str, Setting]:
    return {key: value for variant in variants for key, value in variant.changes}


def _errors(
    strategy: str, tried: Sequence[Case], outputs: Mapping[str, np.ndarray], variants: Sequence[Variant]
) -> list[float]:
    return [_result(case, outputs[case.name], strategy, _changes(variants)).error for case in tried]


def _agrees(
    strategy: str, tried: Sequence[Case], outputs: Mapping[str, np.ndarray], variants: Sequence[Variant]
) -> bool:
    changes = _changes(variants)
    return all(_result(case, outputs[case.name], strategy, changes).error <= ROUNDING for case in tried)


def _result(case: Case, outputs: np.ndarray, strategy: str, changes: Mapping[str, Setting]) -> CaseResult:
    layer = reference(strategy, case.weights, case.options, case.tokens, changes)
    expected = layer.outputs if outputs.shape == layer.outputs.shape else layer.weights
    largest = max(float(np.abs(expected).max()), 1e-6)
    finite = bool(np.isfinite(outputs).all())
    with np.errstate(invalid="ignore"):
        error = float(np.abs(outputs - expected).max()) / largest if finite else float("inf")
    differ = None
    if layer.dropped is not None:
        differ = int(((np.abs(outputs).max(-1) == 0) != (layer.dropped > 0)).sum())
    return CaseResult(case.name, case.says, error, differ, finite)


def _ties(
    case: Case | None, answers: Mapping[str, Answer], strategy: str, changes: Mapping[str, Setting]
) -> str | None:
    """Return which of two equal experts is taken, given the rules that explain the rest."""
    if case is None or "ties" not in settings_of(strategy):
        return None
    for which in ("lower", "higher"):
        if _result(case, answers[case.name].outputs, strategy, {**changes, "ties": which}).error <= ROUNDING:
            return which
    return "neither"


def _spread(case: Case, outputs: np.ndarray) -> str:
    """Return the reach of NaN in one token: that token, its group, or all groups."""
    bad = ~np.isfinite(outputs).all(-1)
    source = ~np.isfinite(case.tokens).all(-1)
    groups = source.any(-1)
    if not bad.any():
        return "nowhere"
    if not (bad & ~source).any():
        return "that token alone"
    return "its group" if not bad[~groups].any() else "other groups as well"
