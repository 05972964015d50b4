"""The health of a routing by numbers worked by hand, before and after capacity."""

import jax.numpy as jnp
import numpy as np
import pytest
from routers_by_hand import FOUR_TOKENS, Gates, health, quickly, route

from moebench.routers import SlotRouting
from moebench.routers.metrics import RoutingCounts, fewest_tokens


def test_of_a_routing_that_refuses_a_token() -> None:
    # Tokens 0, 1, 2 ask for expert 0, which has 2 slots; token 3 asks for expert 1. So 3 of 4 tokens are processed
    # and 3 of 4 slots filled.
    metrics = health(route("tokens-choice", FOUR_TOKENS))
    assert metrics["dropped_tokens"] == 0.25
    assert metrics["dropped_assignments"] == 0.25
    assert metrics["slot_utilisation"] == 0.75
    np.testing.assert_allclose(metrics["expert_load"], [2 / 4, 1 / 4])
    np.testing.assert_allclose(metrics["expert_load_requested"], [3 / 4, 1 / 4])
    # Loads 2 and 1: mean 1.5, std 0.5; the largest is 2 / 1.5 of the mean.
    assert metrics["load_cv"] == pytest.approx(1 / 3)
    assert metrics["max_violation"] == pytest.approx(1 / 3)
    assert metrics["dead_experts"] == 0
    # −0.9 log 0.9 − 0.1 log 0.1 = 0.325083; of 0.6, 0.8 and 0.7 it is 0.673012, 0.500402, 0.610864; over 4 log 2.
    assert metrics["router_entropy"] == pytest.approx(2.109361 / 4 / np.log(2), rel=1e-5)
    assert np.isnan(metrics["under_dispatched_tokens"])
    assert np.isnan(metrics["tokens_per_slot_90"])


def test_a_token_that_lost_one_choice_of_two_is_not_dropped() -> None:
    # 3 · 2 · 1 / 3 = 2 slots; the second choice of token 2, expert 1, is full: see the test of Tokens Choice.
    metrics = health(route("tokens-choice", [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]], top_k=2))
    assert metrics["dropped_tokens"] == 0
    assert metrics["dropped_assignments"] == pytest.approx(1 / 6)
    np.testing.assert_allclose(metrics["expert_load"], [1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(metrics["expert_load_requested"], [1 / 3, 3 / 3, 2 / 3])


def test_collapse_and_balance() -> None:
    collapsed: Gates = [[1 - 1e-9, 1e-9]] * 4
    metrics = health(route("tokens-choice", collapsed, capacity_factor=2.0))
    assert metrics["dead_experts"] == 0.5
    assert metrics["max_violation"] == pytest.approx(1)
    assert metrics["load_cv"] == pytest.approx(1)
    assert metrics["router_entropy"] == pytest.approx(0, abs=1e-6)
    balanced = health(route("tokens-choice", [[0.5 + d, 0.5 - d] for d in (1e-4, -1e-4, 1e-4, -1e-4)]))
    assert balanced["max_violation"] == balanced["load_cv"] == balanced["dropped_tokens"] == 0
    assert balanced["router_entropy"] == pytest.approx(1, rel=1e-5)


def test_where_experts_choose_demand_is_the_sum_of_the_gates() -> None:
    metrics = health(route("experts-choice", FOUR_TOKENS))
    np.testing.assert_allclose(metrics["expert_load_requested"], [2.6 / 4, 1.4 / 4], rtol=1e-6)
    np.testing.assert_allclose(metrics["expert_load"], [0.5, 0.5])


def test_counts_of_two_batches_describe_both_together() -> None:
    # The second batch's tokens all go to expert 1; together no expert is dead and loads are 2 + 0 and 1 + 2.
    second: Gates = [[0.1, 0.9]] * 4
    counts = [route("tokens-choice", gates).counts() for gates in (FOUR_TOKENS, second)]
    metrics = quickly(RoutingCounts.metrics)(counts[0] + counts[1])
    assert list(counts[1].load) == [0, 2]
    assert metrics["dead_experts"] == 0
    np.testing.assert_allclose(metrics["expert_load"], [2 / 8, 3 / 8])
    # One token refused in the first batch, two in the second.
    assert metrics["dropped_tokens"] == 3 / 8
    for name, value in health(route("tokens-choice", FOUR_TOKENS, second)).items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-6, err_msg=name)


def test_a_token_in_two_slots_is_processed_once() -> None:
    # Two experts with two slots each; token 0 sits at both experts, token 2 nowhere, one slot is empty.
    routing = SlotRouting(
        gates=jnp.full((1, 3, 2), 0.5),
        token=jnp.asarray([[[0, 1], [0, 3]]]),
        weight=jnp.ones((1, 2, 2)),
        requested_load=jnp.asarray([2.0, 1.0]),
        choices=0,
    )
    counts: RoutingCounts = routing.counts()
    assert (counts.tokens, counts.unprocessed, counts.filled, counts.slots) == (3, 1, 3, 4)
    np.testing.assert_array_equal(counts.load, [2, 1])


def test_fewest_tokens_of_slots_worked_by_hand() -> None:
    # 0.5 + 0.25 + 0.125 = 0.875 falls short of 0.9, so 4 tokens; 58 of 64 equal weights are 0.906, 57 are 0.891; nine
    # tenths are 0.9 but for rounding; one token that has everything is enough.
    uneven, alone = [0.5, 0.25, 0.125, 0.125], [0.0, 0.0, 1.0]
    slots = [jnp.array(weights) for weights in (uneven, [1 / 64] * 64, [0.1] * 10, alone)]
    assert [float(fewest_tokens(weights[None], 0.9)[0]) for weights in slots] == [4, 58, 9, 1]


def test_fewest_tokens_are_those_of_sorted_weights() -> None:
    weights = np.random.default_rng(0).dirichlet(np.full(20, 0.3), (2, 5)).swapaxes(1, 2).astype(np.float32)
    falling = -np.sort(-weights, axis=1)
    expected = (np.cumsum(falling, axis=1, dtype=np.float64) - falling < 0.9).sum(1)
    np.testing.assert_array_equal(fewest_tokens(jnp.asarray(weights), 0.9), expected)
