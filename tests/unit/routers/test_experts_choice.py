"""Experts Choice by numbers worked by hand."""

import jax
import numpy as np
import pytest
from routers_by_hand import FOUR_TOKENS, health, quickly, route, slots_of, tokens_of, transparent, weights_of

from moebench.errors import BadInput


def test_experts_take_the_tokens_of_their_largest_gates() -> None:
    # 4 tokens · C 1 / 2 experts = 2 slots. Expert 0 sees 0.9 0.6 0.8 0.3, expert 1 sees 0.1 0.4 0.2 0.7.
    routing = route("experts-choice", FOUR_TOKENS)
    assert slots_of(routing) == [[0, 2], [3, 1]]
    np.testing.assert_allclose(weights_of(routing), [[0.9, 0], [0, 0.4], [0.8, 0], [0, 0.7]], atol=1e-6)


def test_a_token_may_be_taken_by_several_experts_or_by_none() -> None:
    # 3 tokens · C 1 / 3 experts = 1 slot. The largest gates of the three experts are 0.45, 0.45 and 0.6.
    routing = route("experts-choice", [[0.45, 0.45, 0.1], [0.35, 0.35, 0.3], [0.2, 0.2, 0.6]])
    assert slots_of(routing) == [[0], [0], [2]]
    assert health(routing)["dropped_tokens"] == pytest.approx(1 / 3)
    # Experts choose here, so no token's choice can be dropped.
    assert np.isnan(health(routing)["dropped_assignments"])
    assert routing.losses == {}


def test_gates_are_shares_over_the_experts_and_not_over_the_tokens() -> None:
    # Token 0's logits are larger at both experts, but token 1's share of expert 0 is larger: 0.9 against 0.6.
    raised = [[6.0, 4.0], [0.9, 0.1]]
    assert slots_of(route("experts-choice", raised)) == [[1], [0]]


def test_equal_gates_go_to_the_earlier_token() -> None:
    assert slots_of(route("experts-choice", [[0.5, 0.5]] * 4)) == [[0, 1], [0, 1]]


def test_capacity_is_for_the_experts_that_a_token_meets_on_average() -> None:
    # 4 · k 1 · C 0.5 / 2 = 1, and 4 · k 2 · C 0.75 / 2 = 3.
    assert slots_of(route("experts-choice", FOUR_TOKENS, capacity_factor=0.5)) == [[0], [3]]
    assert slots_of(route("experts-choice", FOUR_TOKENS, top_k=2, capacity_factor=0.75)) == [[0, 2, 1], [3, 1, 2]]


def test_groups_of_one_and_of_two_images_are_not_routed_alike() -> None:
    # Two images of two tokens. Alone, each has 1 slot for each expert; together 2, and the first image's tokens,
    # whose gates at expert 0 are the largest, take both of expert 0's.
    first, second = [[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.4, 0.6]]
    apart = route("experts-choice", first, second)
    assert [slots_of(apart, group) for group in (0, 1)] == [[[0], [1]], [[0], [1]]]
    assert slots_of(route("experts-choice", first + second)) == [[0, 1], [3, 2]]


def test_noise_is_drawn_in_training_and_has_its_std() -> None:
    # With all tokens taken by both experts the weights are the noisy gates; the logit of a gate of 1/2 with noise is
    # the difference of two noises, each of std noise_std / E = 1.5 / 2, so its std is 0.75 · √2.
    router, even = transparent("experts-choice", 2, top_k=2, noise_std=1.5), tokens_of([[0.5, 0.5]] * 400)
    routing = quickly(lambda key: router(even, noise_key=key))(jax.random.key(0))
    loud = weights_of(routing)[:, 0]
    np.testing.assert_allclose(np.log(loud / (1 - loud)).std(), 0.75 * np.sqrt(2), rtol=0.1)
    np.testing.assert_allclose(routing.gates, 0.5, rtol=1e-6)
    np.testing.assert_allclose(weights_of(router(even)), 0.5, rtol=1e-6)


def test_noise_decides_who_is_taken() -> None:
    keyed = {
        std: slots_of(route("experts-choice", FOUR_TOKENS, key=jax.random.key(1), noise_std=std)) for std in (0, 20)
    }
    assert keyed[0] == [[0, 2], [3, 1]]
    assert keyed[20] != keyed[0]
    assert transparent("experts-choice", 2).noise_std == 1.0
    with pytest.raises(BadInput, match=r"router 'experts-choice': noise_std must be 0 or above, got -1\.0"):
        transparent("experts-choice", 2, noise_std=-1)


def test_more_slots_than_tokens_mean_nothing() -> None:
    with pytest.raises(
        BadInput, match="router 'experts-choice': 6 slots for each expert are more than the 4 tokens of a group"
    ):
        route("experts-choice", FOUR_TOKENS, capacity_factor=3.0)
