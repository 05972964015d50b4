"""Every option of every router changes something or is refused; defaults are each strategy's own."""

import inspect
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import SparseRouter

DIM, EXPERTS = 6, 4
CAPACITY = ("capacity_factor", "eval_capacity_factor", "capacity_rounding", "capacity_multiple_of", "capacity_rule")
OTHER: dict[str, tuple[Any, ...]] = {
    "experts": (6,),
    "top_k": (1, 2, 3),
    "eval_top_k": (2, 3),
    "capacity_factor": (0.6, 1.7),
    "eval_capacity_factor": (0.6, 1.7),
    "capacity_rounding": ("ceil", "floor"),
    "capacity_multiple_of": (3,),
    "capacity_rule": ("vmoe",),
    "dispatch": ("gather", "einsum", "ragged"),
    "priority": ("sum",),
    "hash_of": ("content",),
    "slots_per_expert": (3,),
    "eval_slots_per_expert": (1,),
}
"""Other values than the default; numbers and switches that are not here are changed by rule."""
BESIDE: dict[str, dict[str, Any]] = {
    "eval_slots_per_expert": {"slots_per_expert": 2},
    "priority": {"top_k": 2},
    "renormalise": {"top_k": 2},
}
"""Options beside which another one is tried."""


def required(name: str) -> dict[str, Any]:
    known = routers.options(name).items()
    return {key: EXPERTS for key, default in known if default is inspect.Parameter.empty}


def others(key: str, default: Any) -> tuple[Any, ...]:
    if key in OTHER:
        return tuple(value for value in OTHER[key] if value != default)
    if isinstance(default, bool):
        return (not default,)
    return (default + (1 if isinstance(default, int) else 0.01),)


def tokens_of(name: str) -> int:
    # 19 tokens do not divide evenly among experts, which shows rounding; identity needs an even share.
    return 24 if name == "identity" else 19


@cache
def behaviour(name: str, given: tuple[tuple[str, Any], ...], of_slots: bool) -> str:
    """What a router does: its slots alone, or its parameters, training, evaluation and losses as programs."""
    options, count = dict(given), tokens_of(name)
    if of_slots:
        router = nnx.eval_shape(lambda: routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options))
        assert isinstance(router, SparseRouter)
        return str([router.slots(count, training) for training in (True, False)])
    kinds: list[str] = []

    def call(training: bool) -> Any:
        router = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options)
        parameters = nnx.split(router)[1]
        routing = router(jnp.ones((2, count, DIM)), noise_key=jax.random.key(0) if training else None)
        kinds.append(str(jax.tree.structure(routing)))
        weighted = {loss: weight * routing.losses[loss] for loss, weight in router.loss_weights.items() if weight}
        views = routing.gates, routing.dispatch_weights, routing.combine_weights
        return parameters, nnx.split(router)[1], views, weighted if training else {}

    programs = [jax.make_jaxpr(call, static_argnums=0)(training) for training in (True, False)]
    return " ".join([*kinds, *(f"{program} {program.consts}" for program in programs)])


def effect(name: str, base: dict[str, Any], key: str, value: Any) -> bool | None:
    """Whether a value changes what the router does; None: another option would have to change as well."""
    of_slots = key in CAPACITY
    try:
        changed = behaviour(name, tuple((base | {key: value}).items()), of_slots)
    except BadInput as mistake:
        return True if mistake.key == key else None
    return changed != behaviour(name, tuple(base.items()), of_slots)


@pytest.mark.parametrize("name", routers.names())
def test_an_option_changes_something_or_is_refused(name: str) -> None:
    known = routers.options(name)
    for key, default in known.items():
        beside = {other: value for other, value in BESIDE.get(key, {}).items() if other in known}
        if (name, key) == ("base", "capacity_rounding"):
            # BASE refuses a capacity factor that leaves fewer slots than tokens, as rounding 19 / 4 down does.
            beside = {"capacity_factor": 1.7}
        base = required(name) | beside
        found = {value: effect(name, base, key, value) for value in others(key, base.get(key, default))}
        assert any(found.values()), f"{name}: {key}={list(found)} does nothing"
        if key == "dispatch":
            assert all(found.values()), f"{name}: one of {key}={list(found)} does nothing"


@pytest.mark.parametrize(
    ("name", "training", "evaluation"),
    [
        # 64 tokens and 8 experts: 64 · k · C / 8.
        ("tokens-choice", 8, 8),
        ("bpr", 8, 8),
        ("random", 8, 8),
        ("experts-choice", 8, 8),
        ("hash", 8, 8),
        ("oracle", 8, 8),
        ("switch", 8, 16),  # 2.0 in evaluation, as in the public code
        ("gshard", 16, 16),  # two choices
        # Balanced by assignment in training; in evaluation nobody is dropped.
        ("sinkhorn", 8, 64),
        ("base", 8, 64),
        # Nobody is dropped.
        ("loss-free", 64, 64),
        ("quantile", 64, 64),
        ("dropless", 64, 64),
        ("threshold", 64, 64),
        ("expert-race", 64, 64),
        ("relu", 64, 64),
        # 0.75 · 64 · 2 / (0.75 · 8 + 4) = 9.6.
        ("zero-experts", 10, 10),
    ],
)
def test_each_strategy_has_its_own_capacity(name: str, training: int, evaluation: int) -> None:
    slots = [routers.slots_per_expert(name, 64, training=phase, experts=8) for phase in (True, False)]
    assert slots == [training, evaluation]


def test_no_strategy_is_without_a_stated_capacity() -> None:
    (parameters,) = (mark.args[1] for mark in test_each_strategy_has_its_own_capacity.pytestmark)
    stated = {row[0] for row in parameters} | {"mixture-of-depths"}  # which has one expert
    assert stated == {name for name in routers.names() if issubclass(routers.find(name), SparseRouter)}


def test_a_limit_of_evaluation_can_be_set_or_taken_away() -> None:
    def slots(name: str, **options: Any) -> int:
        return routers.slots_per_expert(name, 64, training=False, experts=8, **options)

    assert slots("sinkhorn", eval_capacity_factor=1.0) == slots("base", eval_capacity_factor=1.0) == 8
    assert slots("switch", eval_capacity_factor=None) == 8
    assert slots("switch", eval_capacity_factor=None, capacity_factor=None) == 64
    assert slots("loss-free", capacity_factor=1.0) == 8
    assert slots("loss-free", capacity_factor=1.0, eval_capacity_factor=2.0) == 16


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        *(
            (name, {"eval_top_k": 2}, f"router '{name}': eval_top_k has no effect: .*: leave eval_top_k out, got 2")
            for name in ("threshold", "relu", "expert-race", "hash", "base")
        ),
        ("hash", {"eval_top_k": 1}, "eval_top_k has no effect: a hash names one expert in evaluation as well"),
        ("mixture-of-depths", {"experts": 1, "eval_top_k": 1}, "eval_top_k has no effect"),
        ("mixture-of-depths", {"experts": 1, "dispatch": "ragged"}, "dispatch must be gather or einsum"),
        ("dropless", {"capacity_rule": "vmoe"}, "capacity_rule has no effect without capacity_factor"),
        ("relu", {"capacity_multiple_of": 4}, "capacity_multiple_of has no effect without capacity_factor"),
        ("bpr", {"priority": "sum"}, "priority has no effect with top_k=1"),
        ("random", {"load_weight": 0.005}, "load_weight has no effect, since nothing about the routing is learned"),
    ],
)
def test_options_without_effect_are_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **{"experts": 2, **options})


def test_a_rule_of_its_own_rounding_takes_another_rule() -> None:
    # 60 tokens for 8 experts: ceil(7.5) = 8, and int(7.5) with megablocks' rule.
    assert routers.slots_per_expert("hash", 60, experts=8) == 8
    assert routers.slots_per_expert("hash", 60, experts=8, capacity_rule="megablocks") == 7
