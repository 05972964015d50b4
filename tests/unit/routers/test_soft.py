"""Soft MoE by numbers worked by hand."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import health

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import Routing


def soft(tokens: list[list[float]], phi: list[list[float]], scale: float = 1.0, **options: Any) -> Routing:
    """The routing of one group; `phi` has a row for each expert, which has one slot."""
    router = routers.create("soft", dim=len(tokens[0]), rngs=nnx.Rngs(0), experts=len(phi), **options)
    router.phi = nnx.Param(jnp.asarray(phi).T[..., None])
    router.scale = nnx.Param(jnp.asarray(scale))
    return router(jnp.asarray([tokens]))


# Of length 1 the tokens are (0.6, 0.8) and (0, 1), the slots' vectors (1, 0) and (0, 1); so the logits of token 0
# are 0.6 and 0.8, those of token 1 are 0 and 1.
TOKENS, PHI = [[3.0, 4.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 5.0]]


def test_weights_are_softmaxes_of_the_same_logits_over_tokens_and_over_slots() -> None:
    routing = soft(TOKENS, PHI)
    # Slot 0: softmax(0.6, 0) = 1.82212 / 2.82212; slot 1: softmax(0.8, 1) = 1 / (1 + e^0.2) first.
    dispatch = [[0.645656, 0.450166], [0.354344, 0.549834]]
    np.testing.assert_allclose(routing.dispatch_weights[0, :, :, 0], dispatch, rtol=1e-5)
    # Token 0: softmax(0.6, 0.8); token 1: softmax(0, 1) = 1 / (1 + e) first.
    combine = [[0.450166, 0.549834], [0.268941, 0.731059]]
    np.testing.assert_allclose(routing.combine_weights[0, :, :, 0], combine, rtol=1e-5)
    np.testing.assert_allclose(routing.gates[0], combine, rtol=1e-5)


def test_slots_mix_the_tokens_as_they_are() -> None:
    routing, tokens = soft(TOKENS, PHI), jnp.asarray([TOKENS])
    # 0.645656 · (3, 4) + 0.354344 · (0, 2), and 0.450166 · (3, 4) + 0.549834 · (0, 2).
    mixed = [[1.936968, 3.291312], [1.350498, 2.900332]]
    np.testing.assert_allclose(routing.dispatch(tokens)[:, 0, 0], mixed, rtol=1e-5)
    # The experts answer 1 and 10: 0.450166 + 5.49834 for token 0, 0.268941 + 7.31059 for token 1.
    outputs = jnp.asarray([1.0, 10.0]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(routing.combine(outputs)[0, :, 0], [5.948506, 7.579531], rtol=1e-5)


def test_the_scale_sharpens_the_weights() -> None:
    # Logits ten times as large: slot 0 sees softmax(6, 0), slot 1 softmax(8, 10).
    dispatch = soft(TOKENS, PHI, scale=10.0).dispatch_weights[0, :, :, 0]
    np.testing.assert_allclose(dispatch, [[0.997527, 0.119203], [0.002473, 0.880797]], rtol=1e-3)


def test_nothing_is_dropped_but_tokens_can_be_left_with_little_mass() -> None:
    # Third token opposite to both slots: logits (10, 0), (0, 10) and 10 · (−0.7071, −0.7071), so its share of either
    # slot is e^−17.07, while the others have a share of almost 1 in one slot.
    metrics = health(soft([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [[1.0, 0.0], [0.0, 1.0]], scale=10.0))
    assert metrics["dropped_tokens"] == 0
    assert metrics["under_dispatched_tokens"] == pytest.approx(1 / 3)
    # One token carries 90 % of either slot.
    assert metrics["tokens_per_slot_90"] == 1
    assert metrics["slot_utilisation"] == 1


def test_load_is_the_combine_weight_of_each_expert() -> None:
    metrics = health(soft(TOKENS, PHI))
    # 0.450166 + 0.268941 = 0.719107 and 1.280893 of 2 tokens; half their difference over their mean 1.
    np.testing.assert_allclose(metrics["expert_load"], [0.359554, 0.640446], rtol=1e-5)
    assert metrics["load_cv"] == pytest.approx(0.280893, rel=1e-5)
    assert metrics["max_violation"] == pytest.approx(0.280893, rel=1e-5)
    # Slot 0 needs both tokens for 90 % (0.65 is too little), slot 1 as well.
    assert metrics["tokens_per_slot_90"] == 2
    # −0.450166 · log 0.450166 − 0.549834 · log 0.549834 = 0.688172, and 0.582203 of softmax(0, 1); over log 2.
    assert metrics["router_entropy"] == pytest.approx((0.688172 + 0.582203) / 2 / np.log(2), rel=1e-5)


def test_several_slots_of_an_expert_share_its_weight() -> None:
    router = routers.create("soft", dim=2, rngs=nnx.Rngs(0), experts=2, slots_per_expert=3)
    routing = router(jnp.asarray([TOKENS]))
    assert routing.dispatch_weights.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(routing.combine_weights.sum((2, 3)), 1, rtol=1e-6)
    np.testing.assert_allclose(routing.dispatch_weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(routing.gates, routing.combine_weights.sum(-1), rtol=1e-6)


def test_phi_starts_as_in_the_public_code() -> None:
    # LeCun normal of [dim, experts, slots], whose fan-in is dim · experts: std 1 / √(64 · 16) = 1/32.
    phi = routers.create("soft", dim=64, rngs=nnx.Rngs(0), experts=16, slots_per_expert=4).phi[...]
    assert phi.std() == pytest.approx(1 / 32, rel=0.03)
    # Truncated at two standard deviations of the normal that is cut.
    assert np.abs(phi).max() < 2 / 32 / 0.8796 + 1e-6


@pytest.mark.parametrize("options", [{"experts": 0}, {"experts": 2, "slots_per_expert": 0}])
def test_options_that_mean_nothing(options: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=r"router 'soft': \w+ must be at least 1, got 0"):
        routers.create("soft", dim=2, rngs=nnx.Rngs(0), **options)
