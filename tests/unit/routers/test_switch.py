"""Switch, GShard and dropless routing by numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import FOUR_TOKENS, health, quickly, route, slots_of, tokens_of, transparent, weights_of

from moebench.errors import BadInput
from moebench.models import Experts

THREE_TOKENS = [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]]


def test_switch_is_tokens_choice_without_noise_and_with_the_balance_loss() -> None:
    quiet, keyed = (route("switch", FOUR_TOKENS, key=key) for key in (None, jax.random.key(0)))
    # 4 / 2 = 2 slots in training, twice as many in evaluation, where token 2 is not dropped.
    assert slots_of(keyed) == [[0, 1], [3, None]]
    assert slots_of(quiet) == [[0, 1, 2, None], [3, None, None, None]]
    np.testing.assert_array_equal(weights_of(quiet)[[0, 1, 3]], weights_of(keyed)[[0, 1, 3]])
    # E · Σ f · P = 2 · (0.75 · 0.65 + 0.25 · 0.35), of weight 0.01 and alone.
    assert quiet.losses["gshard"] == pytest.approx(1.15, rel=1e-5)
    weights = transparent("switch", 2).loss_weights
    assert {name: weight for name, weight in weights.items() if weight} == {"gshard": 0.01}


def test_gshard_shares_a_token_out_over_two_experts() -> None:
    routing = route("gshard", THREE_TOKENS)
    # 3 · 2 · 1 / 3 = 2 slots; the second choice of token 2, expert 1, is full: as with Tokens Choice.
    assert slots_of(routing) == [[0, None], [1, 0], [2, 1]]
    # 0.5 and 0.3 over 0.8; 0.6 over 0.9, of which the other part is lost with the dropped choice.
    weights = [[0.625, 0.375, 0], [0, 0.625, 0.375], [0, 0, 2 / 3]]
    np.testing.assert_allclose(weights_of(routing), weights, rtol=1e-5)


def test_gshard_leaves_weak_second_choices_out_in_training() -> None:
    # Half of the tokens have second weights of 0.1, of which 2 · 0.1 ask for a slot; the others have equal weights, of
    # which all do.
    weights = jnp.asarray([[[0.9, 0.1], [0.5, 0.5]] * 2000])
    expert = jnp.broadcast_to(jnp.arange(2), weights.shape)
    router = transparent("gshard", 2)
    requested = np.array(quickly(router.requested)(expert, weights, jax.random.key(0))[0])
    assert (requested[:, 0] == 0).all()
    assert (requested[1::2, 1] == 1).all()
    # Expert 2 does not exist.
    assert set(requested[::2, 1]) == {1, 2}
    assert (requested[::2, 1] == 1).mean() == pytest.approx(0.2, abs=0.03)
    assert (router.requested(expert, weights, None) == expert).all()


def test_what_is_left_out_has_no_slot() -> None:
    # Second weights of 1/1000 stay with a probability of 1/500: here none does.
    tokens = [[0.999, 0.001]] * 4
    routing = route("gshard", tokens, key=jax.random.key(0))
    assert slots_of(routing) == [[0, 1, 2, 3], [None] * 4]
    assert slots_of(route("gshard", tokens)) == [[0, 1, 2, 3]] * 2


def test_renormalised_gates_need_two_choices() -> None:
    for options in ({"top_k": 1}, {"eval_top_k": 1}):
        with pytest.raises(BadInput, match="router 'gshard': renormalise needs top_k above 1"):
            transparent("gshard", 2, **options)


def test_the_load_loss_needs_noise() -> None:
    with pytest.raises(BadInput, match="router 'switch': load_weight must be 0 if noise_std is"):
        transparent("switch", 2, load_weight=0.1)
    assert "load" not in route("switch", FOUR_TOKENS).losses


def test_dropless_drops_no_token() -> None:
    # All four tokens go to one expert, whose slots are as many as there are tokens.
    routing = route("dropless", [[0.9, 0.1]] * 4)
    assert slots_of(routing) == [[0, 1, 2, 3], [None] * 4]
    assert health(routing)["dropped_tokens"] == health(routing)["dropped_assignments"] == 0
    for option in ("capacity_factor", "eval_capacity_factor"):
        with pytest.raises(BadInput, match=f"router 'dropless': {option} must stay None"):
            transparent("dropless", 2, **{option: 1.0})


def test_dropless_computes_the_rows_that_are_there() -> None:
    # Experts with 2 · 2 kernels: each token's output is that of its one expert, times its gate.
    experts = Experts(2, 2, 3, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
    tokens = tokens_of(FOUR_TOKENS)
    of_all = np.array(quickly(lambda: experts(jnp.broadcast_to(tokens, (2, 4, 2))))())
    expected = np.array([0.9, 0.6, 0.8, 0.7])[:, None] * of_all[[0, 0, 0, 1], np.arange(4)]
    router = transparent("dropless", 2)
    outputs = quickly(lambda: router(tokens).apply(tokens, experts))()
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-5)
    # One row for each token's choice, although there are 8 slots.
    assert router.flops(4, 2).expert_rows == 4
    assert transparent("dropless", 2, dispatch="gather").flops(4, 2).expert_rows == 8
