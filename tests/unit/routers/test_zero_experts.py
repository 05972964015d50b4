"""MoE++ by numbers worked by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import health, quickly, tokens_of, transparent

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import Router

# Two MLPs, then a zero, a copy and a constant expert; each token chooses one of them with a gate of 0.6.
CHOSEN = [0, 2, 3, 4]
GATES = [[0.6 if expert == chosen else 0.1 for expert in range(5)] for chosen in CHOSEN]


def moe_plus_plus(**options: object) -> Router:
    router = routers.create(
        "zero-experts", dim=5, rngs=nnx.Rngs(0), **{"experts": 2, "top_k": 1, "constant_experts": 1, **options}
    )
    router.kernel = nnx.Param(jnp.eye(5))
    router.constant = nnx.Param(jnp.ones((1, 5)))
    router.constant_kernel = nnx.Param(jnp.zeros((5, 2)))
    return router


def test_what_the_experts_beside_the_mlps_give() -> None:
    tokens = tokens_of(GATES)
    router = moe_plus_plus()
    combine = quickly(lambda outputs: router(tokens).combine(outputs))
    # The MLPs are silent: token 0 has nothing, nor has token 1 from the zero expert; token 2 has 0.6 of itself; token
    # 3 has, with α = (1/2, 1/2), 0.6 · (itself + 1) / 2.
    silent = np.asarray(combine(jnp.zeros((2, 1, 1, 5))))[0]
    np.testing.assert_array_equal(silent[:2], np.zeros((2, 5)))
    np.testing.assert_allclose(silent[2:], [0.6 * tokens[0, 2], 0.3 * (tokens[0, 3] + 1)], rtol=1e-5)
    # The MLP of token 0 answers 10.
    spoken = np.asarray(combine(jnp.full((2, 1, 1, 5), 10.0)))[0]
    np.testing.assert_allclose(spoken[0], np.full(5, 6.0), rtol=1e-5)
    np.testing.assert_allclose(spoken[1:], silent[1:])


def test_what_is_processed() -> None:
    metrics = health(moe_plus_plus()(tokens_of(GATES)))
    # Every token has an expert; one of four choices went to an MLP.
    assert metrics["dropped_tokens"] == metrics["dropped_assignments"] == 0
    np.testing.assert_allclose(metrics["expert_load"], [0.25, 0])
    # −0.6 log 0.6 − 4 · 0.1 log 0.1 = 1.227529, over log 5.
    assert metrics["router_entropy"] == pytest.approx(1.227529 / np.log(5), rel=1e-5)


def test_the_balance_loss_asks_less_of_what_costs_nothing() -> None:
    # A quarter of the tokens chooses each but the second MLP; their mean gates are (0.6 + 3 · 0.1) / 4 = 0.225:
    # 0.25 · 0.225 for the MLP and 0.75 of it for each of the three others.
    loss = moe_plus_plus()(tokens_of(GATES)).losses["balance"]
    assert loss == pytest.approx(0.25 * 0.225 * (1 + 3 * 0.75), rel=1e-5)


def test_mlps_have_fewer_slots_the_more_others_there_are() -> None:
    # 0.75 · 24 · 1 · 1 / (0.75 · 2 + 3) = 4, where two MLPs alone would have 12.
    assert routers.slots_per_expert("zero-experts", 24, experts=2, top_k=1, constant_experts=1) == 4
    nothing_else = {"zero_experts": 0, "copy_experts": 0, "constant_experts": 0}
    assert routers.slots_per_expert("zero-experts", 24, experts=2, top_k=1, **nothing_else) == 12


def test_an_mlp_that_is_full_refuses() -> None:
    # Four tokens for the first MLP, which has round(0.75 · 4 / 4.5) = 1 slot.
    metrics = health(moe_plus_plus()(tokens_of([GATES[0]] * 4)))
    assert metrics["dropped_tokens"] == metrics["dropped_assignments"] == 0.75


def test_without_others_it_is_top_k_of_mlps() -> None:
    options = {"zero_experts": 0, "copy_experts": 0, "constant_experts": 0}
    router = transparent("zero-experts", 2, top_k=1, **options)
    tokens = tokens_of([[0.9, 0.1], [0.2, 0.8]])
    assert not hasattr(router, "constant")
    np.testing.assert_allclose(router(tokens).combine_weights.sum((0, 3)), [[0.9, 0], [0, 0.8]], rtol=1e-5)


@pytest.mark.parametrize(("option", "value"), [("zero_experts", -1), ("tau", 0.0), ("top_k", 3)])
def test_options_that_mean_nothing(option: str, value: float) -> None:
    with pytest.raises(BadInput, match=f"router 'zero-experts': {option} must be"):
        moe_plus_plus(**{option: value})
