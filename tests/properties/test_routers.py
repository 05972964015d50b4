"""Slots are taken as in a queue, and ragged rows give a layer's gradients, on drawn tokens."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from routers_by_hand import quickly

from moebench import routers
from moebench.models import Experts
from moebench.routers.sparse import assign_slots

DIM, EXPERTS = 4, 3


def test_filled_slots_laid_end_to_end_give_the_same_layer_and_gradients() -> None:
    tokens = jax.random.normal(jax.random.key(0), (2, 12, DIM))

    def layer(dispatch: str) -> Any:
        options = {"experts": EXPERTS, "capacity_factor": 0.7, "top_k": 2, "dispatch": dispatch}
        router = routers.create("bpr", dim=DIM, rngs=nnx.Rngs(0), **options)
        experts = Experts(EXPERTS, DIM, 5, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(1))
        graph, parameters = nnx.split((router, experts))

        def total(parameters: Any, tokens: jax.Array) -> Any:
            router, experts = nnx.merge(graph, parameters)
            outputs = router(tokens).apply(tokens, experts)
            return (outputs**2).sum(), outputs

        return quickly(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))(parameters, tokens)

    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), layer("gather"), layer("ragged"))


def by_queue(expert: np.ndarray, order: np.ndarray, experts: int, slots: int) -> list[list[int]]:
    """The rule in its plainest form: one token after the other, first choices before second ones."""
    held: list[list[int]] = [[] for _ in range(experts)]
    for choice in range(expert.shape[1]):
        for token in order:
            if len(held[expert[token, choice]]) < slots:
                held[expert[token, choice]].append(int(token))
    return [tokens + [len(expert)] * (slots - len(tokens)) for tokens in held]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), slots=st.sampled_from([1, 3, 9]), experts=st.sampled_from([2, 5]))
def test_slots_are_given_as_in_a_queue(seed: int, slots: int, experts: int) -> None:
    draw = np.random.default_rng(seed)
    expert = np.stack([draw.permutation(experts)[:2] for _ in range(9)])
    order = draw.permutation(9)
    given = assign(jnp.asarray(expert)[None], jnp.asarray(order)[None], experts, slots)[0]
    assert given.tolist() == by_queue(expert, order, experts, slots)


assign = quickly(assign_slots, static_argnums=(2, 3))
