"""The oracle: hand-worked slots from a given truth, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from moebench import routers
from moebench.data.tasks.scenes import NO_GROUP
from moebench.errors import BadInput
from moebench.models.moe import MoE
from moebench.routers import NO_EXPERT, Routing, SlotRouting


def slots(routing: Routing) -> SlotRouting:
    assert isinstance(routing, SlotRouting)
    return routing


def test_both_rooms_mean_the_same_by_no_expert() -> None:
    assert NO_EXPERT == NO_GROUP


def test_tokens_go_to_their_right_experts_and_the_first_take_the_slots() -> None:
    # 6 tokens at C = 1 on 3 experts: 2 slots each. Truth 4 goes to expert 4 mod 3 = 1, whose slots tokens 0 and 3 have
    # taken; token 2 decides nothing and takes no slot.
    oracle = routers.Oracle(dim=2, experts=3, rngs=nnx.Rngs(0))
    routing = slots(oracle(jnp.ones((1, 6, 2)), truth=jnp.array([[1, 0, NO_EXPERT, 1, 4, 2]])))
    np.testing.assert_array_equal(routing.token[0], [[1, 6], [0, 3], [5, 6]])
    np.testing.assert_array_equal(routing.weight[0][routing.token[0] < 6], 1)
    np.testing.assert_array_equal(routing.processed[0], [True, True, False, True, False, True])
    # Of 5 choices one is dropped.
    assert float(routing.metrics()["dropped_tokens"]) == pytest.approx(2 / 6)
    np.testing.assert_allclose(routing.metrics()["expert_load_requested"], np.array([1, 3, 1]) / 6, rtol=1e-6)


def test_tokens_without_truth_are_dealt_in_turn() -> None:
    oracle = routers.create("oracle", dim=2, experts=2, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(slots(oracle(jnp.ones((1, 4, 2)))).token[0], [[0, 2], [1, 3]])


def test_a_layer_hands_the_truth_of_its_groups_to_routers_that_need_it() -> None:
    # Groups of 2 images of 2 tokens: the second group's truth is [1, 1, 0, 255].
    truth = jnp.array([[0, 1], [0, 1], [1, 1], [0, NO_EXPERT]])
    tokens = jnp.ones((4, 2, 4))

    def layer(router: str) -> MoE:
        of = routers.create(router, dim=4, experts=2, rngs=nnx.Rngs(0))
        return MoE(of, 4, 8, 2, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(1))

    routing = slots(layer("oracle").route(tokens, truth=truth))
    np.testing.assert_array_equal(routing.token, [[[0, 2], [1, 3]], [[2, 4], [0, 1]]])
    informed, uninformed = slots(layer("hash").route(tokens, truth=truth)), slots(layer("hash").route(tokens))
    np.testing.assert_array_equal(informed.token, uninformed.token)


@pytest.mark.parametrize(("options", "key"), [({"top_k": 2}, "top_k"), ({"eval_top_k": 1}, "eval_top_k")])
def test_a_token_has_one_right_expert(options: dict[str, int], key: str) -> None:
    with pytest.raises(BadInput, match="one right expert") as mistake:
        routers.create("oracle", dim=4, experts=4, rngs=nnx.Rngs(0), **options)
    assert mistake.value.key == key
