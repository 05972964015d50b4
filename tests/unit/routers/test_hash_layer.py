"""Hash layers by numbers worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import health, slots_of, weights_of

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import Router


def hashing(**options: object) -> Router:
    return routers.create("hash", dim=3, rngs=nnx.Rngs(0), **{"experts": 2, **options})


TOKENS = jax.random.normal(jax.random.key(0), (2, 8, 3))


def test_each_expert_has_its_places_in_every_image() -> None:
    routing = hashing()(TOKENS)
    # numpy's generator of seed 0 gives the 8 places the numbers 2 4 3 6 5 0 1 7: even numbers are expert 0's.
    assert slots_of(routing, 0) == slots_of(routing, 1) == [[0, 1, 3, 5], [2, 4, 6, 7]]
    assert set(weights_of(routing).ravel()) == {0, 1}
    assert slots_of(hashing(hash_seed=1)(TOKENS)) != slots_of(routing)
    assert health(routing)["load_cv"] == 0


@pytest.mark.parametrize(("tokens", "experts"), [(9, 4), (10, 4), (8, 3), (16, 5)])
def test_no_position_is_dropped_where_experts_do_not_divide_them(tokens: int, experts: int) -> None:
    # 9 / 4 = 2.25: three slots for each expert, since one of them has three places.
    routing = hashing(experts=experts)(jnp.ones((1, tokens, 3)))
    assert routing.token.shape[-1] == -(-tokens // experts)
    assert health(routing)["dropped_tokens"] == 0


def test_contents_go_where_their_like_goes() -> None:
    router = hashing(hash_of="content", capacity_factor=None)
    same = jnp.broadcast_to(TOKENS[:, :1], TOKENS.shape)
    requested_load = np.array(router(same).requested_load)
    # Two images of eight copies each: an expert has all copies or none.
    assert set(requested_load) <= {0, 8, 16}
    # Signs do not know lengths.
    np.testing.assert_array_equal(router(TOKENS).token, router(5 * TOKENS).token)
    many = router.contents(jax.random.normal(jax.random.key(1), (1, 2000, 3)))
    assert len(np.unique(many)) > 50
    assert 0 <= np.min(many) <= np.max(many) < 2**12


def test_nothing_is_learned() -> None:
    assert not jax.tree.leaves(nnx.state(hashing()))
    assert hashing().flops(8, 3).router == 0
    assert hashing(hash_of="content").flops(8, 3).router == 2 * 8 * 3 * 12


@pytest.mark.parametrize(
    ("options", "says"),
    [({"top_k": 2}, "top_k must be 1: a hash names one expert, got 2"), ({"hash_of": "contents"}, "'content'")],
)
def test_options_that_mean_nothing(options: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        hashing(**options)
