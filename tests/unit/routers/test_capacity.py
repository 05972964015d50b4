"""Slots by the rules of eight public systems, and limits of their own in evaluation."""

import jax
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from routers_by_hand import FOUR_TOKENS, health, route, slots_of, transparent

from moebench import routers
from moebench.errors import BadInput
from moebench.routers.capacity import RULES, capacity


@pytest.mark.parametrize(
    ("rule", "options", "one", "two"),
    # What "a capacity factor of 1.05" comes to for 196 tokens and 32 experts, with one choice and with two:
    # S·k·C/E = 6.43125 and 12.8625; S/E = 6.125 and S·k/E = 12.25.
    [
        ("vmoe", {}, 8, 16),  # 7 and 13, up to multiples of 4
        ("rounding", {"rounding": "ceil", "multiple_of": 4}, 8, 16),  # the same, spelled out
        ("rounding", {"rounding": "ceil"}, 7, 13),  # V-MoE without its multiple
        ("tutel", {}, 7, 14),  # k · int(1.05 · 7)
        ("maxtext", {}, 7, 13),  # int(7 · 1.05) and int(13 · 1.05)
        ("megablocks", {}, 6, 12),
        ("flaxformer", {}, 6, 6),  # round(1.05 · 6.125), without k
        ("mesh-tf", {}, 6, 6),
        ("rounding", {}, 6, 13),  # Soft MoE's own baselines
    ],
)
def test_a_capacity_factor_of_1_05(rule: str, options: dict[str, object], one: int, two: int) -> None:
    assert [capacity(196, k, 32, 1.05, rule=rule, **options) for k in (1, 2)] == [one, two]


@pytest.mark.parametrize("rule", ["flaxformer", "mesh-tf"])
def test_two_systems_give_an_expert_four_slots_at_least(rule: str) -> None:
    # 16 tokens for 32 experts at C = 1.05: 0.525, which becomes 1 with one and 0 with the other; 128 tokens: 4.2; 160
    # tokens: 5.25.
    assert [capacity(tokens, 1, 32, 1.05, rule=rule) for tokens in (16, 128, 160)] == [4, 4, 5]


def test_halves_are_rounded_to_even_as_in_the_public_code() -> None:
    # 5 · 1 · 1 / 2 = 2.5 and 7 · 1 · 1 / 2 = 3.5.
    assert [capacity(tokens, 1, 2, 1.0) for tokens in (5, 7)] == [2, 4]
    assert [capacity(tokens, 1, 2, 1.0, rounding="floor") for tokens in (5, 7)] == [2, 3]


def test_an_expert_has_a_slot_at_least() -> None:
    assert capacity(4, 1, 8, 0.1) == 1
    assert {capacity(4, 1, 8, 0.1, rule=rule) for rule in RULES} == {1, 4}


def test_without_a_factor_no_token_can_be_dropped() -> None:
    assert capacity(7, 2, 4, None) == 7
    routing = route("tokens-choice", [[0.9, 0.1]] * 4, capacity_factor=None)
    assert slots_of(routing) == [[0, 1, 2, 3], [None] * 4]
    assert health(routing)["dropped_tokens"] == 0


@given(
    tokens=st.integers(1, 300),
    experts=st.integers(1, 64),
    choices=st.integers(1, 4),
    factor=st.floats(0.05, 4, allow_subnormal=False),
    multiple=st.integers(1, 8),
)
def test_a_multiple_is_reached_by_the_least_that_serves(
    tokens: int, experts: int, choices: int, factor: float, multiple: int
) -> None:
    exact = capacity(tokens, choices, experts, factor)
    rounded = capacity(tokens, choices, experts, factor, multiple_of=multiple)
    assert rounded % multiple == 0
    assert exact <= rounded < exact + multiple


def test_a_router_takes_the_rule_by_name() -> None:
    # 4 · 1 · 1.2 / 2 = 2.4: V-MoE's 3 becomes 4, Tutel's int(1.2 · 2) is 2.
    assert routers.slots_per_expert("bpr", 4, experts=2, capacity_factor=1.2, capacity_rule="vmoe") == 4
    assert routers.slots_per_expert("bpr", 4, experts=2, capacity_factor=1.2, capacity_rule="tutel") == 2


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        ({"capacity_rule": "vmo"}, "capacity_rule", "did you mean 'vmoe'"),
        (
            {"capacity_rule": "tutel", "capacity_rounding": "ceil"},
            "capacity_rounding",
            "router 'bpr': capacity_rounding is not used by capacity_rule=tutel",
        ),
        ({"capacity_rule": "vmoe", "capacity_multiple_of": 4}, "capacity_multiple_of", "is not used by"),
        ({"eval_capacity_factor": 0}, "eval_capacity_factor", "must be above 0, got 0.0"),
        ({"eval_top_k": 3}, "eval_top_k", "must be from 1 to experts=2, got 3"),
        ({"eval_top_k": 1.5}, "eval_top_k", "must be of type int or None, got 1.5"),
        ({"capacity_factor": "small"}, "capacity_factor", "must be of type float or None, got 'small'"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], key: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        transparent("bpr", 2, **options)
    assert mistake.value.key == key


def test_evaluation_may_have_another_capacity() -> None:
    # 2 slots for each expert in training, 4 · 1 · 0.5 / 2 = 1 in evaluation. The noise is too weak to matter.
    options = {"noise_std": 1e-6, "eval_capacity_factor": 0.5}
    assert slots_of(route("bpr", FOUR_TOKENS, key=jax.random.key(0), **options)) == [[0, 2], [3, None]]
    assert slots_of(route("bpr", FOUR_TOKENS, **options)) == [[0], [3]]


def test_evaluation_may_have_another_number_of_choices() -> None:
    # Two choices take all slots of both experts: 4 · 2 · 1 / 2 = 4.
    options = {"noise_std": 1e-6, "eval_top_k": 2}
    assert slots_of(route("tokens-choice", FOUR_TOKENS, key=jax.random.key(0), **options)) == [[0, 1], [3, None]]
    routing = route("tokens-choice", FOUR_TOKENS, **options)
    assert slots_of(routing) == [[0, 1, 2, 3], [3, 0, 1, 2]]
    assert health(routing)["dropped_assignments"] == 0


def test_experts_choose_fewer_tokens_in_evaluation() -> None:
    options = {"noise_std": 1e-6, "eval_capacity_factor": 0.5}
    assert slots_of(route("experts-choice", FOUR_TOKENS, key=jax.random.key(0), **options)) == [[0, 2], [3, 1]]
    assert slots_of(route("experts-choice", FOUR_TOKENS, **options)) == [[0], [3]]
    with pytest.raises(BadInput, match=r"8 slots for each expert .* lower eval_capacity_factor=4.0"):
        route("experts-choice", FOUR_TOKENS, eval_capacity_factor=4)


def test_the_slots_that_are_told_are_those_of_training() -> None:
    assert routers.slots_per_expert("bpr", 16, experts=4, eval_capacity_factor=0.5) == 4
    router = routers.create("bpr", dim=3, rngs=nnx.Rngs(0), experts=4, eval_capacity_factor=0.5)
    # 16 rows of width 3 come and go, each weighted and summed.
    assert router.flops(16, 3).dispatch_combine == 2 * 16 * 3
