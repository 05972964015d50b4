"""Sinkhorn routing, BASE layers and their assignments, by numbers worked by hand and beside scipy's optimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routers_by_hand import quickly, slots_of, transparent, weights_of
from scipy.optimize import linear_sum_assignment

from moebench import routers
from moebench.errors import BadInput
from moebench.routers.assignment import auction, sinkhorn

KEY = jax.random.key(0)
# Both tokens like expert 0 better.
TWO_TOKENS = jnp.asarray([[[2.0, 0.0], [1.0, 0.0]]])
# All four like expert 0 better, by 5, 4, 2 and 0.5.
FOUR_TOKENS = jnp.asarray([[[5.0, 0.0], [4.0, 0.0], [3.0, 1.0], [2.0, 1.5]]])


def sigmoid(logit: float) -> float:
    return 1 / (1 + np.exp(-logit))


def test_the_plan_has_equal_rows_and_equal_columns() -> None:
    # For two tokens and two experts the plan is known: √(e² · e⁰) / (√(e² · e⁰) + √(e⁰ · e¹)) = e / (e + √e) is what
    # token 0 gives to expert 0, and token 1 to expert 1.
    own = np.e / (np.e + np.sqrt(np.e))
    np.testing.assert_allclose(np.exp(sinkhorn(TWO_TOKENS)[0]), [[own, 1 - own], [1 - own, own]], rtol=1e-5)
    plan = np.exp(sinkhorn(jax.random.normal(KEY, (2, 12, 4))))
    np.testing.assert_allclose(plan.sum(2), 1, rtol=1e-5)
    np.testing.assert_allclose(plan.sum(1), 3, rtol=1e-3)


def test_sinkhorn_chooses_by_the_plan_in_training_and_by_the_logits_in_evaluation() -> None:
    router = transparent("sinkhorn", 2)
    training, evaluation = router(TWO_TOKENS, noise_key=KEY), router(TWO_TOKENS)
    assert slots_of(training) == [[0], [1]]
    # In evaluation both choose expert 0, which has a slot for every token; with a limit 2 · 1 · 1 / 2 = 1.
    assert slots_of(evaluation) == [[0, 1], [None, None]]
    limited = transparent("sinkhorn", 2, eval_capacity_factor=1.0)
    assert slots_of(limited(TWO_TOKENS)) == [[0], [None]]
    # The weight is the sigmoid of the raw logit, whichever expert it came to be.
    np.testing.assert_allclose(weights_of(training), [[sigmoid(2), 0], [0, sigmoid(0)]], rtol=1e-5)


def test_several_choices_weigh_their_softmax() -> None:
    routing = transparent("sinkhorn", 2, top_k=2)(TWO_TOKENS, noise_key=KEY)
    np.testing.assert_allclose(weights_of(routing)[0], [sigmoid(2), sigmoid(-2)], rtol=1e-5)


def test_base_gives_each_expert_its_share_of_the_tokens() -> None:
    router = transparent("base", 2)
    routing = quickly(lambda: router(FOUR_TOKENS, noise_key=KEY))()
    # The two tokens that lose most elsewhere stay: 5 + 4 + 1 + 1.5 is the largest total.
    assert [set(tokens) for tokens in slots_of(routing)] == [{0, 1}, {2, 3}]
    weights = [[sigmoid(5), 0], [sigmoid(4), 0], [0, sigmoid(1)], [0, sigmoid(1.5)]]
    np.testing.assert_allclose(weights_of(routing), weights, rtol=1e-5)
    # In evaluation every token has its best expert, and none is dropped.
    assert slots_of(router(FOUR_TOKENS)) == [[0, 1, 2, 3], [None] * 4]
    assert slots_of(transparent("base", 2, eval_capacity_factor=1.0)(FOUR_TOKENS)) == [[0, 1], [None, None]]


def test_base_has_a_slot_for_every_token() -> None:
    # ceil(3 / 2) = 2 for two experts, one of which stays empty.
    assert routers.slots_per_expert("base", 3, experts=2) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"top_k": 2}, "router 'base': top_k must be 1: tokens get one expert each, got 2"),
        ({"tolerance": 0.0}, "router 'base': tolerance must be above 0, got 0.0"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        transparent("base", 2, **options)


def test_too_few_slots_for_all_tokens() -> None:
    with pytest.raises(BadInput, match="experts=2 with 1 slots each cannot take all of the 4 tokens of a group"):
        transparent("base", 2, capacity_factor=0.5)(FOUR_TOKENS, noise_key=KEY)


compiled = quickly(auction, static_argnums=(1, 2))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    shape=st.sampled_from([(12, 4), (10, 4), (6, 1)]),
    kind=st.sampled_from(["drawn", "equal", "experts differ", "tokens agree"]),
)
def test_the_auction_is_balanced_and_nearly_the_best(seed: int, shape: tuple[int, int], kind: str) -> None:
    tokens, experts = shape
    scores = np.random.default_rng(seed).normal(size=shape)
    if kind == "equal":
        scores[:] = 1.0
    elif kind == "experts differ":
        scores = 0.1 * scores + scores[:1]
    elif kind == "tokens agree":
        scores[:] = scores[:1]
    slots = -(-tokens // experts)
    expert = np.array(compiled(jnp.asarray(scores, jnp.float32)[None], slots, 0.02)[0])
    assert np.bincount(expert, minlength=experts).max() <= slots
    assert expert.max() < experts
    slot_scores = np.repeat(scores, slots, axis=1)
    best = slot_scores[linear_sum_assignment(slot_scores, maximize=True)].sum()
    total = scores[np.arange(tokens), expert].sum()
    assert best - total <= tokens * 0.02 * np.ptp(scores) + 1e-4
