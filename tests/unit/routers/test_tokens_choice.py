"""Tokens Choice and Batch Prioritized Routing by numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import FOUR_TOKENS, quickly, route, slots_of, tokens_of, transparent, weights_of

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import RouterState


def test_tokens_take_slots_in_the_order_of_the_array() -> None:
    # 4 tokens · 1 choice · C 1 / 2 experts = 2 slots each. Tokens 0, 1, 2 choose expert 0: 0 and 1 come first, 2 is
    # dropped. Token 3 is alone at expert 1.
    routing = route("tokens-choice", FOUR_TOKENS)
    assert slots_of(routing) == [[0, 1], [3, None]]
    # The weight is the gate itself; the dropped token has none.
    np.testing.assert_allclose(weights_of(routing), [[0.9, 0], [0.6, 0], [0, 0], [0, 0.7]], atol=1e-6)


def test_outputs_are_weighted_and_a_dropped_token_gets_exactly_zero() -> None:
    tokens = tokens_of(FOUR_TOKENS)
    routing, rows = route("tokens-choice", FOUR_TOKENS), np.asarray(tokens)[0]
    dispatched = np.asarray(routing.dispatch(tokens))
    np.testing.assert_array_equal(dispatched[:, 0], [rows[[0, 1]], [rows[3], [0, 0]]])
    # Expert 0 answers 10 and 20 in its slots, expert 1 answers 30; whatever is in the empty slot reaches nobody.
    outputs = jnp.array([[10.0, 20.0], [30.0, 1e30]])[:, None, :, None]
    # 0.9 · 10, 0.6 · 20, nothing, 0.7 · 30.
    combined = np.asarray(routing.combine(outputs))[0, :, 0]
    np.testing.assert_allclose(combined, [9, 12, 0, 21], rtol=1e-6)
    assert combined[2] == 0


def test_first_choices_come_before_any_second_choice() -> None:
    # 3 tokens · 2 choices · C 0.5 / 3 experts = 1 slot each, which the three first choices fill; token by token, the
    # first token would have taken the slot of expert 1 with its second choice.
    gates = [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]]
    routing = route("tokens-choice", gates, top_k=2, capacity_factor=0.5)
    assert slots_of(routing) == [[0], [1], [2]]
    # Expert 0 is a choice of token 0 only, expert 1 of all three, expert 2 of tokens 1 and 2.
    np.testing.assert_array_equal(routing.requested_load, [1, 3, 2])


def test_second_choices_take_what_is_left() -> None:
    # 3 · 2 · 1 / 3 = 2 slots. First choices: 0 → 0, 1 → 1, 2 → 2; second: 0 → 1, 1 → 2, and 2 → 1, which is full.
    gates = [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]]
    routing = route("tokens-choice", gates, top_k=2)
    assert slots_of(routing) == [[0, None], [1, 0], [2, 1]]
    # The weights of a token that lost a choice are not rescaled.
    np.testing.assert_allclose(weights_of(routing)[2], [0, 0, 0.6], atol=1e-6)


def test_equal_gates_go_to_the_lower_expert() -> None:
    assert slots_of(route("tokens-choice", [[0.5, 0.5]] * 4)) == [[0, 1], [None, None]]
    third = [[0.2, 0.4, 0.4]] * 2
    # 2 · 2 · 1 / 3 = 1.33, so 1 slot: token 0 gets its first choice, expert 1, and its second, expert 2.
    assert slots_of(route("tokens-choice", third, top_k=2)) == [[None], [0], [0]]


def test_groups_are_routed_on_their_own() -> None:
    routing = route("tokens-choice", FOUR_TOKENS, FOUR_TOKENS[::-1])
    assert slots_of(routing, 0) == [[0, 1], [3, None]]
    # In the other order tokens 1, 2, 3 want expert 0 and token 0 wants expert 1.
    assert slots_of(routing, 1) == [[1, 2], [0, None]]


def test_the_surest_tokens_come_first_with_bpr() -> None:
    # Largest gates 0.9, 0.6, 0.8, 0.7: of those who want expert 0, token 1 is the last.
    assert slots_of(route("bpr", FOUR_TOKENS)) == [[0, 2], [3, None]]
    # With one slot for each expert, the surest of each.
    assert slots_of(route("bpr", FOUR_TOKENS, capacity_factor=0.5)) == [[0], [3]]


def test_the_two_priorities_of_bpr() -> None:
    # 2 tokens · 2 choices · C 0.75 / 3 experts = 1 slot. Both tokens want expert 0 first and expert 1 second (token
    # 1's gates of experts 1 and 2 are equal). Largest gates 0.5 and 0.6, sums of the top two 0.95 and 0.8.
    gates = [[0.5, 0.45, 0.05], [0.6, 0.2, 0.2]]
    assert slots_of(route("bpr", gates, top_k=2, capacity_factor=0.75)) == [[1], [1], [None]]
    assert slots_of(route("bpr", gates, top_k=2, capacity_factor=0.75, priority="sum")) == [[0], [0], [None]]


def test_equal_priorities_keep_the_order_of_the_array() -> None:
    assert slots_of(route("bpr", [[0.7, 0.3]] * 4)) == [[0, 1], [None, None]]


def test_noise_needs_a_key_and_has_its_std() -> None:
    # With both experts chosen the weights are the noisy gates; the logit of a gate of 1/2 with noise is the
    # difference of two noises, each of std noise_std / E = 1.5 / 2, so its std is 0.75 · √2.
    router, even = transparent("tokens-choice", 2, top_k=2, noise_std=1.5), tokens_of([[0.5, 0.5]] * 400)
    first_gates = quickly(lambda key: router(even, noise_key=key).weight[0, 0])
    quiet = route("tokens-choice", [[0.5, 0.5]] * 4, top_k=2)
    np.testing.assert_allclose(weights_of(quiet), 0.5, rtol=1e-6)
    loud = np.array(first_gates(jax.random.key(0)))
    np.testing.assert_allclose(np.log(loud / (1 - loud)).std(), 0.75 * np.sqrt(2), rtol=0.1)


def test_gates_and_importance_are_free_of_noise() -> None:
    quiet, loud = (route("tokens-choice", FOUR_TOKENS, key=key) for key in (None, jax.random.key(0)))
    np.testing.assert_array_equal(quiet.gates, loud.gates)
    np.testing.assert_array_equal(quiet.losses["importance"], loud.losses["importance"])
    assert (weights_of(quiet) != weights_of(loud)).any()


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        ({"top_k": 3}, "top_k", "router 'bpr': top_k must be from 1 to experts=2, got 3"),
        ({"top_k": 0}, "top_k", "must be from 1 to experts=2, got 0"),
        ({"capacity_factor": 0.0}, "capacity_factor", "router 'bpr': capacity_factor must be above 0, got 0.0"),
        ({"capacity_factor": -1.0}, "capacity_factor", "must be above 0, got -1.0"),
        ({"capacity_multiple_of": 0}, "capacity_multiple_of", "must be at least 1, got 0"),
        ({"capacity_rounding": "ceiling"}, "capacity_rounding", "did you mean 'ceil'"),
        ({"dispatch": "einsums"}, "dispatch", "did you mean 'einsum'"),
        ({"priority": "summ"}, "priority", "did you mean 'sum'"),
        ({"capacity": 1.0}, "capacity", "unknown option 'capacity' of router 'bpr'"),
        ({"top_k": "two"}, "top_k", "must be of type int, got 'two'"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], key: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        transparent("bpr", 2, **options)
    assert mistake.value.key == key


def test_a_random_gate_is_frozen_and_routes_as_tokens_choice_does() -> None:
    router = routers.create("random", dim=2, rngs=nnx.Rngs(0), experts=2, noise_std=0.0)
    assert isinstance(router.kernel, RouterState)
    assert not jax.tree.leaves(nnx.state(router, nnx.Param))
    learned = transparent("tokens-choice", 2, noise_std=0.0, load_weight=0.0)
    learned.kernel[...] = router.kernel[...]
    tokens = jax.random.normal(jax.random.key(0), (1, 8, 2))
    for key in (None, jax.random.key(1)):
        ours, theirs = quickly(lambda key=key: [each(tokens, noise_key=key) for each in (router, learned)])()
        assert slots_of(ours) == slots_of(theirs)
        np.testing.assert_array_equal(weights_of(ours), weights_of(theirs))
    # A seed draws the gate.
    another = routers.create("random", dim=2, rngs=nnx.Rngs(1), experts=2)
    assert (another.kernel[...] != router.kernel[...]).all()


def test_no_gradient_passes_through_a_random_gate() -> None:
    def gain(tokens: jax.Array, name: str) -> jax.Array:
        router = routers.create(name, dim=2, rngs=nnx.Rngs(0), experts=2)
        return router(tokens, noise_key=jax.random.key(0)).combine_weights[..., 0, :].sum()

    tokens = jax.random.normal(jax.random.key(0), (1, 8, 2))
    by_tokens = {name: quickly(jax.grad(gain), static_argnums=1)(tokens, name) for name in ("random", "tokens-choice")}
    assert not by_tokens["random"].any()
    assert by_tokens["tokens-choice"].any()
    assert not any(routers.create("random", dim=2, rngs=nnx.Rngs(0), experts=2).loss_weights.values())
