"""The contrastive losses, against numbers worked by hand from two pairs with the logits [[2, 0], [1, 3]]."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from moebench.training.contrastive_losses import contrastive_loss, logits, sigmoid_loss, softmax_loss

SCORES = jnp.array([[2.0, 0.0], [1.0, 3.0]])


def test_softmax_is_the_mean_of_both_directions() -> None:
    # Rows: log(1 + e^-2) = 0.126928 twice. Columns: log(1 + e^-1) = 0.313262 and log(1 + e^-3) = 0.048587.
    assert softmax_loss(SCORES).tolist() == pytest.approx([(0.126928 + 0.313262) / 2, (0.126928 + 0.048587) / 2], 1e-5)


def test_sigmoid_sums_over_all_texts_of_an_image() -> None:
    # -log s(2) - log s(-0) = 0.126928 + 0.693147, and -log s(-1) - log s(3) = 1.313262 + 0.048587.
    assert sigmoid_loss(SCORES).tolist() == pytest.approx([0.820075, 1.361849], 1e-5)


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        # A quarter of (row probabilities - I) + (column probabilities - I): rows 0.880797 and 0.119203, columns
        # s(1) = 0.731059 and s(3) = 0.952574.
        (softmax_loss, [[-0.097036, 0.041657], [0.097036, -0.041657]]),
        # Half of -s(-2), s(0), s(1), -s(-3).
        (sigmoid_loss, [[-0.059601, 0.25], [0.365529, -0.023713]]),
    ],
)
def test_gradients_by_hand(loss: Callable[[jax.Array], jax.Array], gradient: list[list[float]]) -> None:
    found = jax.grad(lambda scores: loss(scores).mean())(SCORES)
    assert found.tolist() == [pytest.approx(row, abs=1e-6) for row in gradient]


def test_logits_are_scaled_cosines() -> None:
    images, texts = jnp.array([[1.0, 0.0], [0.6, 0.8]]), jnp.array([[0.0, 1.0], [0.8, 0.6]])
    # Cosines: 0 and 0.8; 0.8 and 0.48 + 0.48.
    assert logits(images, texts, jnp.array(10.0)).tolist() == [pytest.approx([0, 8]), pytest.approx([8, 9.6])]
    shifted = logits(images, texts, jnp.array(10.0), jnp.array(-10.0))
    assert shifted.tolist() == [pytest.approx([-10, -2]), pytest.approx([-2, -0.4])]


def test_the_name_chooses_the_loss() -> None:
    assert (contrastive_loss("softmax", SCORES) == softmax_loss(SCORES)).all()
    assert (contrastive_loss("sigmoid", SCORES) == sigmoid_loss(SCORES)).all()
