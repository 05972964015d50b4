"""Loss-free and quantile balancing by numbers worked by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import quickly, slots_of, transparent, weights_of

from moebench.errors import BadInput
from moebench.routers import RouterState

KEY = jax.random.key(0)


def logits_of(scores: list[list[float]]) -> jax.Array:
    """Tokens to which a transparent router gives these sigmoid scores."""
    array = jnp.asarray([scores])
    return jnp.log(array / (1 - array))


# Expert 0 is everybody's first choice.
SCORES = [[0.9, 0.5], [0.8, 0.5], [0.7, 0.5], [0.6, 0.5]]


def test_the_bias_of_a_busy_expert_falls_by_a_fixed_step() -> None:
    router = transparent("loss-free", 2)
    # Nobody is dropped.
    assert slots_of(router(logits_of(SCORES), noise_key=KEY)) == [[0, 1, 2, 3], [None] * 4]
    # Loads 4 and 0 before capacity, mean 2.
    np.testing.assert_allclose(router.bias[...], [-0.001, 0.001])
    router(logits_of(SCORES), noise_key=KEY)
    np.testing.assert_allclose(router.bias[...], [-0.002, 0.002])


def test_the_bias_decides_who_is_chosen_and_not_what_it_weighs() -> None:
    router = transparent("loss-free", 2, update_rate=0.13, capacity_factor=1.0)
    router(logits_of(SCORES), noise_key=KEY)
    # Biases −0.13 and 0.13: the scores of expert 0 are now 0.77, 0.67, 0.57 and 0.47 against 0.63.
    routing = router(logits_of(SCORES))
    assert slots_of(routing) == [[0, 1], [2, 3]]
    np.testing.assert_allclose(weights_of(routing), [[0.9, 0], [0.8, 0], [0, 0.5], [0, 0.5]], rtol=1e-5)


def test_equal_loads_leave_the_biases() -> None:
    router = transparent("loss-free", 2)
    router(logits_of([[0.9, 0.1], [0.1, 0.9]]), noise_key=KEY)
    np.testing.assert_array_equal(router.bias[...], [0, 0])


def test_several_choices_weigh_their_share_of_the_scores() -> None:
    routing = transparent("loss-free", 2, top_k=2)(logits_of([[0.9, 0.3]]))
    np.testing.assert_allclose(weights_of(routing), [[0.75, 0.25]], rtol=1e-5)


def test_the_quantile_balances_in_one_step() -> None:
    router = transparent("quantile", 2, capacity_factor=1.0)
    router(logits_of(SCORES), noise_key=KEY)
    # Each token's cut-off is the score it did not choose, 0.5. Expert 0's scores are 0.4, 0.3, 0.2, 0.1 above it: their
    # quantile at 1 − 1/2 is 0.25. Expert 1's are all 0 above it. Less their mean, −0.25 and 0 are −0.125 and 0.125.
    np.testing.assert_allclose(router.bias[...], [-0.125, 0.125], atol=1e-6)
    # 0.775, 0.675, 0.575 and 0.475 against 0.625.
    assert slots_of(router(logits_of(SCORES))) == [[0, 1], [2, 3]]


def test_the_quantile_of_several_choices() -> None:
    # Three experts, two choices, four tokens alike with scores 0.9, 0.6, 0.5: the cut-off is 0.5, the quantile at 1/3
    # of equal numbers is that number: −0.4, −0.1 and 0, less their mean −1/6.
    router = transparent("quantile", 3, top_k=2)
    router(logits_of([[0.9, 0.6, 0.5]] * 4), noise_key=KEY)
    np.testing.assert_allclose(router.bias[...], [-7 / 30, 1 / 15, 1 / 6], atol=1e-6)


def test_the_biases_do_not_drift_together() -> None:
    # The cut-offs contain the biases: what all biases have in common would grow from step to step, until float32 loses
    # the differences of the scores beside it.
    router = transparent("quantile", 4, top_k=2)
    graph, state = nnx.split(router)

    def step(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        router = nnx.merge(graph, state, copy=True)
        router(jax.random.normal(key, (1, 16, 4)) + jnp.array([1.0, 0.0, 0.0, -1.0]), noise_key=key)
        return nnx.split(router)[1], router.bias[...]

    _, biases = quickly(lambda state: jax.lax.scan(step, state, jax.random.split(KEY, 500)))(state)
    np.testing.assert_allclose(biases.mean(1), 0, atol=1e-6)
    assert np.abs(biases[100:]).max() < 0.5
    # Expert 0, the busiest, has the lowest bias, expert 3 the highest.
    assert biases[-1].argmin() == 0
    assert biases[-1].argmax() == 3


@pytest.mark.parametrize("name", ["loss-free", "quantile"])
def test_the_bias_is_state_and_evaluation_leaves_it(name: str) -> None:
    router = transparent(name, 2)
    assert isinstance(router.bias, RouterState)
    router(logits_of(SCORES))
    np.testing.assert_array_equal(router.bias[...], [0, 0])


def test_an_update_rate_must_be_positive() -> None:
    with pytest.raises(BadInput, match=r"router 'loss-free': update_rate must be above 0, got 0\.0"):
        transparent("loss-free", 2, update_rate=0.0)
    with pytest.raises(BadInput, match="unknown option 'update_rate' of router 'quantile'"):
        transparent("quantile", 2, update_rate=0.1)
