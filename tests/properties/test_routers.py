"""What holds for every routing, whatever the tokens: checked on drawn tokens, with ties and without."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from routers_by_hand import quickly

from moebench import routers
from moebench.models import Experts
from moebench.routers.sparse import assign_slots

GROUPS, TOKENS, DIM, EXPERTS = 2, 12, 4, 3
TIGHT = {"experts": EXPERTS, "capacity_factor": 0.7}
SOFT = {"experts": EXPERTS, "slots_per_expert": 2}
PAPERS: dict[str, dict[str, Any]] = {
    "tokens-choice": TIGHT | {"top_k": 2},
    "bpr": TIGHT | {"top_k": 2},
    "experts-choice": TIGHT,
}
SPARSE: dict[str, dict[str, Any]] = {
    **PAPERS,
    "loss-free": TIGHT | {"top_k": 2},
    "dropless": {"experts": EXPERTS, "top_k": 2},
    "threshold": {"experts": EXPERTS},
    "relu": TIGHT,
    "hash": TIGHT,
    "mixture-of-depths": {"capacity_factor": 0.5},
}
ASSIGNED_IN_TRAINING: dict[str, dict[str, Any]] = {
    "gshard": TIGHT,
    "sinkhorn": TIGHT,
    "base": {"experts": EXPERTS},
    "expert-race": {"experts": EXPERTS},
}
EVERY: dict[str, dict[str, Any]] = {
    **SPARSE,
    **ASSIGNED_IN_TRAINING,
    **dict.fromkeys(("soft", "soft-uniform", "uniform-soft", "uniform"), SOFT),
    "identity": {"experts": EXPERTS},
    "smear": {"experts": EXPERTS},
    "dense": {},
}
EVALUATED = [name for name in EVERY if name not in ASSIGNED_IN_TRAINING]
# Routers of which a token's slot does not depend on where it stands in the group, where no two gates are equal.
EQUIVARIANT = (
    *("bpr", "experts-choice", "dropless", "threshold", "relu", "mixture-of-depths"),
    *("soft", "soft-uniform", "uniform-soft", "uniform", "smear", "dense"),
)

seeds = st.integers(0, 2**31 - 1)
# The first example of each test waits for a compiler.
few = settings(max_examples=10, deadline=None)


@dataclass(frozen=True)
class Routed:
    """What a router does with tokens: its dense views, and dispatch and combine for drawn outputs of the experts."""

    dispatch_weights: np.ndarray
    combine_weights: np.ndarray
    load: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    combined: np.ndarray
    combined_with_noise_in_empty_slots: np.ndarray


@cache
def program(name: str, dispatch: str | None, training: bool) -> Any:
    options = EVERY[name] | ({"dispatch": dispatch} if dispatch else {})
    graph, parameters = nnx.split(routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options))

    def run(parameters: Any, tokens: jax.Array, seed: jax.Array) -> tuple[jax.Array, ...]:
        key = jax.random.key(seed)
        routing = nnx.merge(graph, parameters)(tokens, noise_key=key if training else None)
        inputs = routing.dispatch(tokens)
        outputs = jax.random.normal(key, inputs.shape)
        empty = jnp.moveaxis(routing.dispatch_weights.sum(1) == 0, 1, 0)
        return (
            routing.dispatch_weights,
            routing.combine_weights,
            routing.counts().load,
            inputs,
            outputs,
            routing.combine(outputs),
            routing.combine(jnp.where(empty[..., None], 1e9, outputs)),
        )

    return partial(quickly(run), parameters)


def routed(name: str, tokens: np.ndarray, seed: int, dispatch: str | None = None, training: bool = False) -> Routed:
    return Routed(*map(np.array, program(name, dispatch, training)(tokens, seed)))


def drawn(seed: int, ties: bool = False) -> np.ndarray:
    tokens = np.random.default_rng(seed).normal(size=(GROUPS, TOKENS, DIM)).astype(np.float32)
    # Four different tokens only: many gates are equal.
    return tokens[:, np.arange(TOKENS) % 4] if ties else tokens


@pytest.mark.parametrize("name", [*SPARSE, *ASSIGNED_IN_TRAINING])
@few
@given(seed=seeds, ties=st.booleans())
def test_a_slot_holds_one_token_and_an_expert_holds_a_token_once(name: str, seed: int, ties: bool) -> None:
    routing = routed(name, drawn(seed, ties), seed, training=name in ASSIGNED_IN_TRAINING)
    weights = routing.dispatch_weights
    assert set(np.unique(weights)) <= {0, 1}
    assert (weights.sum(1) <= 1).all()
    assert (weights.sum(3) <= 1).all()
    np.testing.assert_allclose(routing.load, weights.sum((0, 1, 3)))
    assert (routing.load <= GROUPS * weights.shape[-1]).all()


@pytest.mark.parametrize("name", EVALUATED)
@few
@given(seed=seeds)
def test_the_dense_views_are_what_dispatch_and_combine_do(name: str, seed: int) -> None:
    tokens = drawn(seed)
    routing = routed(name, tokens, seed)
    mixed = np.einsum("gsep,gsd->egpd", routing.dispatch_weights, tokens)
    np.testing.assert_allclose(mixed, routing.inputs, atol=1e-5)
    unmixed = np.einsum("gsep,egpd->gsd", routing.combine_weights, routing.outputs)
    np.testing.assert_allclose(unmixed, routing.combined, atol=1e-5)


@pytest.mark.parametrize("name", PAPERS)
@few
@given(seed=seeds, ties=st.booleans())
def test_one_hot_products_move_tokens_as_gathers_do(name: str, seed: int, ties: bool) -> None:
    tokens = drawn(seed, ties)
    gathered, multiplied = (routed(name, tokens, seed, dispatch) for dispatch in ("gather", "einsum"))
    np.testing.assert_allclose(gathered.inputs, multiplied.inputs, atol=1e-5)
    np.testing.assert_allclose(gathered.combined, multiplied.combined, atol=1e-5)


@pytest.mark.parametrize("name", SPARSE)
@few
@given(seed=seeds)
def test_what_an_expert_answers_in_an_empty_slot_changes_nothing(name: str, seed: int) -> None:
    routing = routed(name, drawn(seed), seed)
    empty = np.moveaxis(routing.dispatch_weights.sum(1), 1, 0) == 0
    assert not routing.inputs[empty].any()
    np.testing.assert_allclose(routing.combined_with_noise_in_empty_slots, routing.combined, atol=1e-6)


@pytest.mark.parametrize("name", EQUIVARIANT)
@few
@given(seed=seeds)
def test_tokens_in_another_order_are_routed_alike(name: str, seed: int) -> None:
    tokens = drawn(seed)
    order = np.random.default_rng(seed).permutation(TOKENS)
    here, there = routed(name, tokens, seed), routed(name, tokens[:, order], seed)
    for view in ("dispatch_weights", "combine_weights"):
        by_expert, other = getattr(here, view).sum(3), getattr(there, view).sum(3)
        np.testing.assert_allclose(by_expert[:, order], other, atol=1e-5, err_msg=view)


# A threshold is tracked over all groups, and begins with that of the first batch.
@pytest.mark.parametrize("name", [name for name in EVALUATED if name != "threshold"])
@few
@given(seed=seeds)
def test_a_group_does_not_see_the_others(name: str, seed: int) -> None:
    tokens = drawn(seed)
    changed = np.stack([tokens[0], drawn(seed + 1)[1]])
    here, there = (routed(name, given, seed).combine_weights for given in (tokens, changed))
    np.testing.assert_array_equal(here[0], there[0])


def test_filled_slots_laid_end_to_end_give_the_same_layer_and_gradients() -> None:
    tokens = jnp.asarray(drawn(0))

    def layer(dispatch: str) -> Any:
        router = routers.create("bpr", dim=DIM, rngs=nnx.Rngs(0), **EVERY["bpr"], dispatch=dispatch)
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
    seated: list[list[int]] = [[] for _ in range(experts)]
    for choice in range(expert.shape[1]):
        for token in order:
            if len(seated[expert[token, choice]]) < slots:
                seated[expert[token, choice]].append(int(token))
    return [tokens + [len(expert)] * (slots - len(tokens)) for tokens in seated]


@settings(max_examples=40, deadline=None)
@given(seed=seeds, slots=st.sampled_from([1, 3, 9]), experts=st.sampled_from([2, 5]))
def test_slots_are_given_as_in_a_queue(seed: int, slots: int, experts: int) -> None:
    draw = np.random.default_rng(seed)
    expert = np.stack([draw.permutation(experts)[:2] for _ in range(9)])
    order = draw.permutation(9)
    given = assign(jnp.asarray(expert)[None], jnp.asarray(order)[None], experts, slots)[0]
    assert given.tolist() == by_queue(expert, order, experts, slots)


assign = quickly(assign_slots, static_argnums=(2, 3))
