"""The ablations of Soft MoE's table 2 by numbers worked by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import health

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import Routing

# As in the test of Soft MoE: logits (0.6, 0.8) and (0, 1) for two tokens and two slots.
TOKENS = jnp.asarray([[[3.0, 4.0], [0.0, 2.0]]])
SOFT_DISPATCH, SOFT_COMBINE = [[0.645656, 0.450166], [0.354344, 0.549834]], [[0.450166, 0.549834], [0.268941, 0.731059]]
EVEN = [[0.5, 0.5], [0.5, 0.5]]


def routing_of(name: str, **options: object) -> Routing:
    router = routers.create(name, dim=2, rngs=nnx.Rngs(0), experts=2, **options)
    if name != "uniform":
        router.phi = nnx.Param(jnp.eye(2)[..., None])
    return router(TOKENS)


@pytest.mark.parametrize(
    ("name", "dispatch", "combine"),
    [
        ("soft", SOFT_DISPATCH, SOFT_COMBINE),
        ("soft-uniform", SOFT_DISPATCH, EVEN),
        ("uniform-soft", EVEN, SOFT_COMBINE),
        ("uniform", EVEN, EVEN),
    ],
)
def test_what_is_learned(name: str, dispatch: list[list[float]], combine: list[list[float]]) -> None:
    routing = routing_of(name)
    np.testing.assert_allclose(routing.dispatch_weights[0, :, :, 0], dispatch, rtol=1e-5)
    np.testing.assert_allclose(routing.combine_weights[0, :, :, 0], combine, rtol=1e-5)


def test_uniform_gives_all_tokens_the_mean() -> None:
    routing = routing_of("uniform", slots_per_expert=3)
    # Each slot holds the mean of (3, 4) and (0, 2).
    np.testing.assert_allclose(routing.dispatch(TOKENS), np.broadcast_to([1.5, 3.0], (2, 1, 3, 2)))
    # Six slots answer 0 to 5, whose mean is 2.5.
    outputs = jnp.arange(6.0).reshape(2, 1, 3, 1)
    np.testing.assert_allclose(routing.combine(outputs)[0, :, 0], [2.5, 2.5], rtol=1e-6)
    assert health(routing)["load_cv"] == pytest.approx(0, abs=1e-6)
    assert health(routing)["router_entropy"] == pytest.approx(1)


def test_identity_gives_each_expert_its_part_of_the_image() -> None:
    router = routers.create("identity", dim=1, rngs=nnx.Rngs(0), experts=2)
    tokens = jnp.arange(6.0).reshape(1, 6, 1)
    routing = router(tokens)
    np.testing.assert_array_equal(routing.dispatch(tokens)[:, 0, :, 0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(routing.combine(10 * routing.dispatch(tokens)), 10 * tokens)
    np.testing.assert_array_equal(routing.dispatch_weights.sum((0, 3)), [[1, 0]] * 3 + [[0, 1]] * 3)
    np.testing.assert_allclose(health(routing)["expert_load"], [0.5, 0.5])


def test_without_normalisation_the_logits_are_the_plain_products() -> None:
    router = routers.create("soft", dim=2, rngs=nnx.Rngs(0), experts=2, normalise=False)
    router.phi = nnx.Param(jnp.eye(2)[..., None])
    assert not hasattr(router, "scale")
    # Token 0: softmax(3, 4) = 1 / (1 + e) first; token 1: softmax(0, 2) = 1 / (1 + e²).
    combine = [[0.268941, 0.731059], [0.119203, 0.880797]]
    np.testing.assert_allclose(router(TOKENS).combine_weights[0, :, :, 0], combine, rtol=1e-5)


def test_identity_needs_experts_that_divide_the_tokens() -> None:
    router = routers.create("identity", dim=1, rngs=nnx.Rngs(0), experts=4)
    with pytest.raises(BadInput, match="router 'identity': the 6 tokens of a group cannot be shared out evenly"):
        router(jnp.zeros((1, 6, 1)))
