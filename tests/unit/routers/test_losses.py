"""The auxiliary losses by numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from routers_by_hand import FOUR_TOKENS, quickly, route

from moebench.routers import losses

GATES = jnp.asarray([FOUR_TOKENS])


def test_importance() -> None:
    # The gates add up to 2.6 and 1.4: mean 2, variance 0.36, squared over the mean's square 0.09.
    assert losses.importance_loss(GATES) == pytest.approx(0.09, rel=1e-5)
    # A second group in balance halves the mean.
    balanced = jnp.full((1, 4, 2), 0.5)
    assert losses.importance_loss(jnp.concatenate([GATES, balanced])) == pytest.approx(0.045, rel=1e-5)


def test_load() -> None:
    # Logits (0, −0.5) and (0, 0), no noise drawn, std 0.5, one choice: both tokens' threshold is 0. The probability
    # to pass it is Φ(0) = 0.5 and Φ(−1) = 0.158655 for the first token, 0.5 and 0.5 for the second. The sums 1 and
    # 0.658655 have the mean 0.829328 and the variance 0.170672² = 0.029129, over 0.687784.
    logits = jnp.asarray([[[0.0, -0.5], [0.0, 0.0]]])
    assert losses.load_loss(logits, logits, 0.5, 1) == pytest.approx(0.042352, rel=1e-4)


def test_load_asks_whether_an_expert_would_pass_the_kth_noisy_logit_again() -> None:
    # Of three experts two are chosen; the second largest noisy logit is 1. From the quiet logits 2, 0, 1 it is passed
    # with Φ(1) = 0.841345, Φ(−1) = 0.158655 and Φ(0) = 0.5: mean 0.5, variance 2 · 0.341345² / 3 = 0.077677.
    logits, noisy = jnp.asarray([[[2.0, 0.0, 1.0]]]), jnp.asarray([[[1.0, -3.0, 4.0]]])
    assert losses.load_loss(logits, noisy, 1.0, 2) == pytest.approx(0.310709, rel=1e-4)


def test_gshard() -> None:
    # First choices 3/4 and 1/4, mean gates 0.65 and 0.35: 2 · (0.75 · 0.65 + 0.25 · 0.35).
    assert losses.gshard_loss(GATES, jnp.asarray([[0, 0, 0, 1]])) == pytest.approx(1.15, rel=1e-5)
    # At balance it is 1, whatever the number of experts.
    even = jnp.full((1, 6, 3), 1 / 3)
    assert losses.gshard_loss(even, jnp.asarray([[0, 1, 2, 0, 1, 2]])) == pytest.approx(1, rel=1e-5)


def test_z() -> None:
    # logsumexp of (0, 0) is log 2, of (1, 1) it is 1 + log 2: the mean of 0.480453 and 2.866747.
    assert losses.z_loss(jnp.asarray([[[0.0, 0.0], [1.0, 1.0]]])) == pytest.approx(1.673600, rel=1e-5)


@pytest.mark.parametrize("experts", [1, 2, 7])
def test_gradients_are_zero_at_perfect_balance(experts: int) -> None:
    # CV² is at its minimum there; a standard deviation in its place would have the gradient 0/0.
    even = jnp.full((2, 14, experts), 1 / experts)
    # 1/7 is no number of floating point: what is left is the rounding of its sums.
    np.testing.assert_allclose(jax.grad(losses.importance_loss)(even), 0, atol=1e-15)
    np.testing.assert_array_equal(quickly(jax.grad(losses.squared_cv))(jnp.full((3, experts), 5.0)), 0)
    logits = jnp.zeros((2, 14, experts))
    of_load = quickly(jax.grad(lambda *given: losses.load_loss(*given, 0.5, 1), argnums=(0, 1)))
    by_logits, by_noisy = of_load(logits, logits)
    np.testing.assert_allclose(by_logits, 0, atol=1e-7)
    np.testing.assert_allclose(by_noisy, 0, atol=1e-7)
    first = jnp.arange(28).reshape(2, 14) % experts
    np.testing.assert_allclose(quickly(jax.grad(losses.gshard_loss))(even, first), experts / 28 / experts, rtol=1e-5)


def test_the_gradient_of_importance_away_from_balance() -> None:
    # Sums 2.6 and 1.4 of mean 2: CV² = 0.36 / 4. By one sum s: 2 (s − mean) / (2 · 4) − (2 · 0.36 / 8) / 2, with the
    # mean moving half as far as the sum: 0.15 − 0.045 and −0.15 − 0.045.
    slope = jax.grad(losses.importance_loss)(GATES)
    np.testing.assert_allclose(slope[0], [[0.105, -0.195]] * 4, rtol=1e-5)


def test_a_router_gives_them_all_with_their_weights() -> None:
    options = {"importance_weight": 0.1, "load_weight": 0.2, "gshard_weight": 0.3, "z_weight": 0.4}
    routing = route("tokens-choice", FOUR_TOKENS, **options)
    assert set(routing.losses) == {"importance", "load", "gshard", "z"}
    assert routing.losses["importance"] == pytest.approx(0.09, rel=1e-5)
    assert routing.losses["gshard"] == pytest.approx(1.15, rel=1e-5)
    # The logits are logarithms of shares, whose logsumexp is log 1.
    assert routing.losses["z"] == pytest.approx(0, abs=1e-10)
    assert np.isfinite(routing.losses["load"])
