"""Threshold routing, expert race and ReLU gates by numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from routers_by_hand import health, slots_of, transparent, weights_of

from moebench.errors import BadInput
from moebench.routers.losses import similarity_loss

KEY = jax.random.key(0)


def logits_of(scores: list[list[float]]) -> jax.Array:
    """Tokens to which a transparent router gives these sigmoid scores."""
    array = jnp.asarray([scores])
    return jnp.log(array / (1 - array))


# With one choice on average, two of four tokens should pass at each of two experts.
SCORES = [[0.9, 0.6], [0.8, 0.7], [0.3, 0.1], [0.2, 0.4]]


def test_the_first_batch_sets_the_thresholds() -> None:
    router = transparent("threshold", 2)
    routing = router(logits_of(SCORES), noise_key=KEY)
    # The second largest scores, 0.8 and 0.6. The slots of an expert are in the order of the scores.
    np.testing.assert_allclose(router.threshold[...], [0.8, 0.6], rtol=1e-5)
    assert slots_of(routing) == [[0, 1, None, None], [1, 0, None, None]]
    np.testing.assert_allclose(weights_of(routing), [[0.9, 0.6], [0.8, 0.7], [0, 0], [0, 0]], rtol=1e-5)
    assert health(routing)["dropped_tokens"] == 0.5


def test_later_batches_meet_the_thresholds_of_those_before() -> None:
    router = transparent("threshold", 2)
    router(logits_of(SCORES), noise_key=KEY)
    second = [[0.85, 0.65], [0.75, 0.1], [0.7, 0.2], [0.1, 0.3]]
    # Against 0.8 and 0.6, so that token 1 passes nowhere although it is the second best at expert 0.
    assert slots_of(router(logits_of(second), noise_key=KEY)) == [[0, None, None, None], [0, None, None, None]]
    # Two batches count alike: the means of 0.8 and 0.75, and of 0.6 and 0.3.
    np.testing.assert_allclose(router.threshold[...], [0.775, 0.45], rtol=1e-5)
    # A token's experts do not depend on the tokens beside it.
    alone = router(logits_of([[0.78, 0.5]]))
    assert slots_of(alone) == [[0], [0]]
    np.testing.assert_allclose(router.threshold[...], [0.775, 0.45], rtol=1e-5)


def test_the_average_forgets() -> None:
    router = transparent("threshold", 2, decay=0.5)
    for score in (0.8, 0.4, 0.4):
        router(logits_of([[score, 0.5]] * 2), noise_key=KEY)
    # 0.8, then (0.8 + 0.4) / 2, then half of 0.6 and half of 0.4, where the plain mean would be 0.533.
    np.testing.assert_allclose(router.threshold[...], [0.5, 0.5], rtol=1e-5)


def test_a_limit_keeps_the_highest_scores() -> None:
    # 4 · 1 · 0.5 / 2 = 1 slot.
    routing = transparent("threshold", 2, capacity_factor=0.5)(logits_of(SCORES))
    assert slots_of(routing) == [[0], [1]]
    # Four pairs passed, two of them were dropped.
    assert health(routing)["dropped_assignments"] == 0.5


def test_all_pairs_of_the_batch_race() -> None:
    router = transparent("expert-race", 2)
    first, second = [[3.0, 2.0], [1.0, 0.0]], [[0.5, -1.0], [-2.0, 2.5]]
    routing = router(jnp.asarray([first, second]), noise_key=KEY)
    # 4 tokens · 1 = 4 pairs: 3, 2.5, 2 and 1. Token 0 of the first group has two experts, that of the second none.
    assert slots_of(routing, 0) == [[0, 1], [0, None]]
    assert slots_of(routing, 1) == [[None, None], [1, None]]
    np.testing.assert_allclose(weights_of(routing, 0), [[3, 2], [1, 0]])
    assert router.threshold[...] == 1
    # In evaluation the threshold decides, not the others: two pairs pass 1 here.
    assert slots_of(router(jnp.asarray([[[0.9, 4.0], [1.5, 0.0]]]))) == [[1, None], [0, None]]


def test_experts_that_are_chosen_together_should_not_be_alike() -> None:
    gates = jnp.asarray([[[0.8, 0.2], [0.4, 0.6]]])
    taken = jnp.asarray([[[True, False], [True, True]]])
    # Chosen alone 2 and 1 times, together once: W = 2 / 1.5, 1 / 1.5 on the diagonal, 1 beside it. PᵀP = 0.8, 0.4 on
    # the diagonal, 0.4 beside it. So (1.06667 + 0.26667 + 2 · 0.4) over 2 tokens.
    assert similarity_loss(gates, taken) == pytest.approx(1.066667, rel=1e-5)
    # Where no token has two experts, only the diagonal counts: 1 · 0.8 + 1 · 0.4 over 2.
    apart = jnp.asarray([[[True, False], [False, True]]])
    assert similarity_loss(gates, apart) == pytest.approx(0.6, rel=1e-5)


# Gates 2 0, 1 1, 0 0 and 0.5 0.
RELU_LOGITS = jnp.asarray([[[2.0, -1.0], [1.0, 1.0], [-1.0, -2.0], [0.5, -3.0]]])


def test_a_positive_logit_is_a_gate_and_a_weight() -> None:
    routing = transparent("relu", 2)(RELU_LOGITS)
    assert slots_of(routing) == [[0, 1, 3, None], [1, None, None, None]]
    np.testing.assert_allclose(weights_of(routing), [[2, 0], [1, 1], [0, 0], [0.5, 0]])
    assert health(routing)["dropped_tokens"] == 0.25
    # Entropy is that of the gates' shares: log 2 for token 1, 0 for the others.
    assert health(routing)["router_entropy"] == pytest.approx(0.25)


def test_the_l1_loss_weighs_gates_by_their_expert_s_load() -> None:
    # Expert 0 is taken by 3/4 of the tokens and has a mean gate of 0.875, expert 1 by 1/4 with 0.25:
    # E/k · (0.65625 + 0.0625) = 1.4375, times λ = 1e-8.
    assert transparent("relu", 2)(RELU_LOGITS).losses["l1"] == pytest.approx(1.4375e-8, rel=1e-5)


def test_the_strength_of_the_loss_follows_the_sparsity() -> None:
    router = transparent("relu", 2)
    # Half of the gates are open, as k/E asks for.
    router(RELU_LOGITS, noise_key=KEY)
    assert router.strength[...] == pytest.approx(1e-8)
    router(jnp.ones((1, 2, 2)), noise_key=KEY)
    assert router.strength[...] == pytest.approx(1.2e-8)
    for _ in range(2):
        router(-jnp.ones((1, 2, 2)), noise_key=KEY)
    assert router.strength[...] == pytest.approx(1e-8 / 1.2)
    router(jnp.ones((1, 2, 2)))
    assert router.strength[...] == pytest.approx(1e-8 / 1.2)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("threshold", {"decay": 1.0}, "router 'threshold': decay must be from 0 to below 1, got 1.0"),
        ("expert-race", {"decay": -0.1}, "router 'expert-race': decay must be from 0 to below 1, got -0.1"),
        ("relu", {"growth": 1.0}, "router 'relu': growth must be above 1, got 1.0"),
    ],
)
def test_options_that_mean_nothing(name: str, options: dict[str, float], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        transparent(name, 2, **options)
