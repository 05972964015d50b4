"""Compare a layer with the reference, and find the changed rule, or pair of rules, that explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from moebench.conform.adapter import Adapter
from moebench.conform.cases import Case, cases
from moebench.conform.reference import reference, settings_of
from moebench.conform.variants import STRATEGIES, VARIANTS, Setting, Variant

ROUNDING = 2e-5
"""Largest difference, over the largest output, that float32 arithmetic in another order explains in these cases."""
_NEAREST = 12
"""Single variants from which pairs are made, the nearest first, beside all pairs that share a case they alone mend."""


@dataclass(frozen=True)
class CaseResult:
    """How far a layer is from the reference in one case."""

    name: str
    says: str
    error: float
    """Largest difference over the largest reference output."""
    dropped_differ: int | None
    """Tokens that one of the two drops and the other processes; None where nothing can be dropped."""
    finite: bool


@dataclass(frozen=True)
class Diagnosis:
    """What a layer is."""

    strategy: str
    conforms: bool
    results: tuple[CaseResult, ...]
    explained_by: tuple[Variant, ...] = ()
    """The changed rules with which the reference agrees; empty if it agrees as it is, or with none."""
    distances: tuple[tuple[str, float], ...] = ()
    """If nothing explains the layer: variants with the worst case's error, the nearest first."""
    repeated: float = 0.0
    """Largest difference between two calls; above 0 the layer is not deterministic."""
    unused: tuple[str, ...] = ()
    nan_spreads: str | None = None

    @property
    def error(self) -> float:
        """Return the worst case's error."""
        return max((each.error for each in self.results), default=0.0)

    @property
    def verdict(self) -> str:
        """Return the answer in one sentence."""
        paper = f"{self.strategy} ({STRATEGIES[self.strategy].source})"
        if self.repeated > ROUNDING:
            return (
                f"The layer is not deterministic: two calls differ by {self.repeated:.2g}, so that nothing is compared."
            )
        if self.conforms:
            return f"The layer is {paper}: it agrees within {self.error:.1g} in {len(self.results)} cases."
        if self.explained_by:
            rules = " and ".join(variant.says for variant in self.explained_by)
            return f"The layer is not {paper}, but it agrees within {ROUNDING:.0g} if {rules}."
        near = ", ".join(f"'{name}' {distance:.2g}" for name, distance in self.distances[:3])
        return (
            f"The layer is not {paper}: it differs by up to {self.error:.2g}, and no known variant or pair of variants "
            f"explains it; the nearest: {near}."
        )


def diagnose(adapter: Adapter, strategy: str) -> Diagnosis:
    """Try a layer on all cases, and name what explains it.

    Args:
        adapter: the layer.
        strategy: name in `STRATEGIES` of what the layer should be.

    Raises:
        BadInput: the layer raises or gives arrays of another shape.
    """
    tried = cases(strategy)
    answers = {case.name: adapter.answer(case) for case in tried}
    repeated = max(answer.repeated for answer in answers.values())
    results = tuple(_result(case, answers[case.name].outputs, strategy, {}) for case in tried if case.compared)
    if repeated > ROUNDING:
        return Diagnosis(strategy, False, results, repeated=repeated)
    spreads = next((_spread(case, answers[case.name].outputs, strategy) for case in tried if not case.compared), None)
    unused = tuple(adapter.unused(tried[0]))
    if all(each.error <= ROUNDING for each in results):
        return Diagnosis(strategy, True, results, unused=unused, nan_spreads=spreads)
    outputs = {name: answer.outputs for name, answer in answers.items()}
    compared = [case for case in tried if case.compared]
    found, distances = _explained(strategy, compared, outputs)
    return Diagnosis(strategy, False, results, found, distances, repeated=repeated, unused=unused, nan_spreads=spreads)


def _explained(
    strategy: str, tried: Sequence[Case], outputs: Mapping[str, np.ndarray]
) -> tuple[tuple[Variant, ...], tuple[tuple[str, float], ...]]:
    """The fewest changed rules that agree in all cases, and how far each single one is."""
    unchanged = settings_of(strategy)
    known = [
        variant
        for variant in VARIANTS[STRATEGIES[strategy].family]
        if any(unchanged.get(key) != value for key, value in variant.changes)
    ]
    errors = {variant.name: _errors(strategy, tried, outputs, (variant,)) for variant in known}
    distances = sorted(((name, max(each)) for name, each in errors.items()), key=lambda pair: pair[1])
    for variant in sorted(known, key=lambda each: max(errors[each.name])):
        if max(errors[variant.name]) <= ROUNDING:
            return (variant,), tuple(distances)
    # A rule of a pair seldom helps in all cases alone, so that pairs are tried by how many cases one of the two mends
    # or improves; each pair ends at its first case that differs.
    order = sorted(known, key=lambda each: (np.median(errors[each.name]), max(errors[each.name])))
    for pair in sorted(combinations(range(len(order)), 2), key=sum):
        variants = tuple(order[place] for place in pair)
        if not _conflict(variants) and _agrees(strategy, tried, outputs, variants):
            return variants, tuple(distances)
    return (), tuple(distances)


def _conflict(variants: Sequence[Variant]) -> bool:
    """Whether two variants change one setting to different values."""
    first, second = (dict(variant.changes) for variant in variants)
    return bool(first.keys() & second.keys())


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
    expected = reference(strategy, case.weights, case.options, case.tokens, changes)
    largest = max(float(np.abs(expected.outputs).max()), 1e-6)
    finite = bool(np.isfinite(outputs).all())
    with np.errstate(invalid="ignore"):
        error = float(np.abs(outputs - expected.outputs).max()) / largest if finite else float("inf")
    differ = None
    if expected.dropped is not None:
        differ = int(((np.abs(outputs).max(-1) == 0) != (expected.dropped > 0)).sum())
    return CaseResult(case.name, case.says, error, differ, finite)


def _spread(case: Case, outputs: np.ndarray, strategy: str) -> str:
    """Say where NaN of one token arrives: in that token, its group, or all groups."""
    bad = ~np.isfinite(outputs).all(-1)
    source = ~np.isfinite(case.tokens).all(-1)
    groups = source.any(-1)
    if not bad.any():
        return "nowhere"
    if not (bad & ~source).any():
        return "that token alone"
    return "its group" if not bad[~groups].any() else "other groups as well"
