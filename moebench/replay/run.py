"""Route a recording under several rules, in parts of bounded size, and read its metrics."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from flax import nnx
from jaxtyping import Array, Float, Int

from moebench.errors import BadInput
from moebench.replay.recording import Layer, Recording, checked
from moebench.replay.rules import Rule, gates_of
from moebench.routers import Routing, RoutingCounts
from moebench.routers.sparse import array_order

PART_NUMBERS = 1 << 23
"""Logits that are routed at a time: 32 MiB in float32."""
MOST_NUMBERS = 1 << 27
"""Logits of the largest group: 512 MiB in float32, and about three times that while they are routed."""
MOST_SIZES = 32
"""Different group sizes of one recording; each is a program to compile."""

_MEANS = (
    "dropped_tokens",
    "dropped_assignments",
    "load_cv",
    "load_cv_requested",
    "max_violation",
    "max_violation_requested",
    "router_entropy",
    "dead_experts",
    "slot_utilisation",
    "slots_per_expert",
    "effective_capacity_factor",
)
"""Columns whose mean over the layers describes a rule."""


def replay(
    recording: Recording,
    rules: Sequence[Rule],
    group_tokens: int | None = None,
    *,
    assignments: bool = False,
) -> pd.DataFrame:
    """Route every layer of a recording under every rule.

    Args:
        recording: logits, or choices if `assignments`.
        rules: routers with their options; they route as in evaluation, without noise.
        group_tokens: tokens routed together; None takes the recording's groups, or all tokens of a layer as one group.
        assignments: whether the recording has choices int[tokens, k], first choice first, instead of logits.

    Returns:
        One row for each rule and layer: columns of the result table (`dropped_tokens`, `expert_load`, …) beside `rule`,
        `router`, `layer`, `tokens`, `group_tokens` and, before capacity, `load_cv_requested` and
        `max_violation_requested`.

    Raises:
        BadInput: groups do not divide the tokens, logits are NaN, choices are out of range, or a rule needs gates but
            only choices are recorded.
    """
    sizes = _sizes(recording, group_tokens, max(layer.width for layer in recording.layers))
    programs = [_program(rule, assignments) for rule in rules]
    rows = []
    for layer in recording.layers:
        totals: list[dict[str, Any] | None] = [None] * len(rules)
        for part in _grouped(layer, sizes, rules[0].router.experts, assignments):
            for number, program in enumerate(programs):
                # In float64: float32 stops counting at 16.8 million.
                counts = {name: np.asarray(value, np.float64) for name, value in program(part).items()}
                before = totals[number]
                totals[number] = counts if before is None else {key: before[key] + counts[key] for key in counts}
        for rule, total in zip(rules, totals, strict=True):
            assert total is not None
            rows.append(_row(rule, layer, sizes, total))
    return pd.DataFrame(rows)


def _sizes(recording: Recording, group_tokens: int | None, width: int) -> np.ndarray:
    """Return the tokens of each group, in order.

    Args:
        recording: the recording.
        group_tokens: tokens routed together; None takes the recording's groups.
        width: numbers of a token.
    """
    if group_tokens is None:
        sizes = np.array([recording.tokens]) if recording.groups is None else recording.groups
    else:
        whole, rest = divmod(recording.tokens, group_tokens)
        if rest:
            raise BadInput(
                f"groups of {group_tokens:,} tokens do not divide the {recording.tokens:,} tokens of {recording.path}.",
                key="group",
            )
        sizes = np.full(whole, group_tokens)
    if sizes.max() * width > MOST_NUMBERS:
        raise BadInput(
            f"a group of {sizes.max():,} tokens with {width} numbers each does not fit into memory: give --group a "
            f"size of at most {MOST_NUMBERS // width:,}, such as the tokens that are routed together in training.",
            key="group",
        )
    if len(np.unique(sizes)) > MOST_SIZES:
        raise BadInput(
            f"{recording.path} has groups of {len(np.unique(sizes))} different sizes; at most {MOST_SIZES} are routed. "
            "Give --group a size that divides all tokens.",
            key="group",
        )
    return sizes


def _grouped(layer: Layer, sizes: np.ndarray, experts: int, assignments: bool) -> Iterator[np.ndarray]:
    """Yield parts of a layer as arrays [group, token, …] of groups of one size."""
    most = max(1, PART_NUMBERS // layer.width)
    rows = _Rows(layer, most)
    place = 0
    while place < len(sizes):
        size = int(sizes[place])
        alike = int(np.argmax(np.append(sizes[place:] != size, True)))
        groups = _equal_parts(alike, max(1, most // size))
        part = rows.take(groups * size)
        start = rows.taken - len(part)
        if assignments:
            if part.min() < 0 or part.max() >= experts or not np.issubdtype(part.dtype, np.integer):
                raise BadInput(f"layer '{layer.name}' should have choices from 0 to {experts - 1} as whole numbers.")
            ready = part.astype(np.int32)
        else:
            ready = checked(part, layer, start)
        yield ready.reshape(groups, size, -1)
        place += groups


def _equal_parts(groups: int, most: int) -> int:
    """Return the number of groups in a part.

    The number is the largest divisor of `groups` up to `most`, since each number is a program to compile. If that
    divisor is below half of the possible number, parts are as large as possible.
    """
    best = max(part for part in range(1, min(groups, most) + 1) if groups % part == 0)
    return best if 2 * best >= min(groups, most) else min(groups, most)


class _Rows:
    """A reader of any number of a layer's rows, independent of the file's parts."""

    def __init__(self, layer: Layer, most: int) -> None:
        self._parts, self._waiting, self.taken = layer.parts(most), [np.empty((0, layer.width))], 0

    def take(self, count: int) -> np.ndarray:
        """Return the next rows."""
        while sum(map(len, self._waiting)) < count:
            self._waiting.append(next(self._parts))
        rows = np.concatenate([part for part in self._waiting if len(part)])
        self._waiting = [rows[count:]]
        self.taken += count
        return rows[:count]


def _program(rule: Rule, assignments: bool) -> Any:
    graph, state = nnx.split(rule.router)

    def by_logits(logits: Float[Array, "group token expert"]) -> dict[str, Array]:
        return _sums(nnx.merge(graph, state)(logits))

    def by_choices(choices: Int[Array, "group token choice"]) -> dict[str, Array]:
        router = nnx.merge(graph, state)
        gates = gates_of(choices, router.experts)
        slots = router.slots(choices.shape[1], training=False)
        return _sums(router.route_choices(gates, choices, array_order(gates), weights=gates, slots=slots))

    if assignments and type(rule.router).__name__ != "TokensChoice":
        raise BadInput(
            f"recorded choices have no gates, by which router '{rule.name}' orders or chooses: use "
            "'tokens-choice[capacity_factor=…]'.",
            key="router",
        )
    return jax.jit(by_choices if assignments else by_logits)


def _sums(routing: Routing) -> dict[str, Array]:
    counts = routing.counts()
    return {field.name: getattr(counts, field.name) for field in fields(RoutingCounts)}


def _row(rule: Rule, layer: Layer, sizes: np.ndarray, total: dict[str, Any]) -> dict[str, Any]:
    router = rule.router
    counts = RoutingCounts(**{name: jnp.asarray(value, jnp.float32) for name, value in total.items()})
    metrics = {name: _plain(value) for name, value in counts.metrics().items()}
    requested = total["requested_load"]
    alike = len(np.unique(sizes)) == 1
    return {
        "rule": rule.label,
        "router": rule.name,
        "layer": layer.name,
        "experts": router.experts,
        "top_k": router.options.get("top_k"),
        "capacity_factor": router.options.get("capacity_factor"),
        "tokens": layer.tokens,
        "group_tokens": int(sizes[0]) if alike else None,
        "slots_per_expert": float(total["slots"] / router.experts / len(sizes)),
        "effective_capacity_factor": float(total["slots"] / (layer.tokens * router.choices(training=False))),
        **metrics,
        "load_cv_requested": float(requested.std() / requested.mean()),
        "max_violation_requested": float(requested.max() / requested.mean() - 1),
    }


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array.tolist()


def summarised(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the means of the rows of `replay` over the layers.

    `dropped_tokens_max_layer` is the share of the worst layer.
    """
    numbers = [name for name in _MEANS if name in frame]
    by_rule = frame.groupby("rule", sort=False)
    return by_rule[numbers].mean().assign(dropped_tokens_max_layer=by_rule["dropped_tokens"].max()).reset_index()
