"""What holds for every routing, whatever the tokens: checked on drawn tokens, with ties and without."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from moebench import routers
from moebench.models import Experts
from moebench.routers.sparse import assign_slots

GROUPS, TOKENS, DIM, EXPERTS = 2, 12, 4, 3
SPARSE: dict[str, dict[str, Any]] = {
    "tokens-choice": {"experts": EXPERTS, "top_k": 2, "capacity_factor": 0.7},
    "bpr": {"experts": EXPERTS, "top_k": 2, "capacity_factor": 0.7},
    "experts-choice": {"experts": EXPERTS, "capacity_factor": 0.7},
}
SOFT = {"experts": EXPERTS, "slots_per_expert": 2}
EVERY = {
    **SPARSE,
    **dict.fromkeys(("soft", "soft-uniform", "uniform-soft", "uniform"), SOFT),
    "identity": {"experts": EXPERTS},
    "dense": {},
}
# Routers of which a token's slot does not depend on where it stands in the group, where no two gates are equal.
EQUIVARIANT = ("bpr", "experts-choice", "soft", "soft-uniform", "uniform-soft", "uniform", "dense")

seeds = st.integers(0, 2**31 - 1)
# The first example of each test waits for a compiler.
few = settings(max_examples=15, deadline=None)
# What is compiled here runs a few times on a few numbers: optimising it costs more than it saves.
UNOPTIMISED = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


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
def program(name: str, dispatch: str | None) -> Any:
    options = EVERY[name] | ({"dispatch": dispatch} if dispatch else {})
    router = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options)

    def run(tokens: jax.Array, seed: jax.Array) -> tuple[jax.Array, ...]:
        routing = router(tokens)
        inputs = routing.dispatch(tokens)
        outputs = jax.random.normal(jax.random.key(seed), inputs.shape)
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

    return jax.jit(run, compiler_options=UNOPTIMISED)


def routed(name: str, tokens: np.ndarray, seed: int, dispatch: str | None = None) -> Routed:
    return Routed(*map(np.array, program(name, dispatch)(tokens, seed)))


def drawn(seed: int, ties: bool = False) -> np.ndarray:
    tokens = np.random.default_rng(seed).normal(size=(GROUPS, TOKENS, DIM)).astype(np.float32)
    # Four different tokens only: many gates are equal.
    return tokens[:, np.arange(TOKENS) % 4] if ties else tokens


@pytest.mark.parametrize("name", SPARSE)
@few
@given(seed=seeds, ties=st.booleans())
def test_a_slot_holds_one_token_and_an_expert_holds_a_token_once(name: str, seed: int, ties: bool) -> None:
    routing = routed(name, drawn(seed, ties), seed)
    weights = routing.dispatch_weights
    assert set(np.unique(weights)) <= {0, 1}
    assert (weights.sum(1) <= 1).all()
    assert (weights.sum(3) <= 1).all()
    np.testing.assert_allclose(routing.load, weights.sum((0, 1, 3)))
    assert (routing.load <= GROUPS * weights.shape[-1]).all()


@pytest.mark.parametrize("name", EVERY)
@few
@given(seed=seeds)
def test_the_dense_views_are_what_dispatch_and_combine_do(name: str, seed: int) -> None:
    tokens = drawn(seed)
    routing = routed(name, tokens, seed)
    mixed = np.einsum("gsep,gsd->egpd", routing.dispatch_weights, tokens)
    np.testing.assert_allclose(mixed, routing.inputs, atol=1e-5)
    unmixed = np.einsum("gsep,egpd->gsd", routing.combine_weights, routing.outputs)
    np.testing.assert_allclose(unmixed, routing.combined, atol=1e-5)


@pytest.mark.parametrize("name", SPARSE)
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


@pytest.mark.parametrize("name", EVERY)
@few
@given(seed=seeds)
def test_a_group_does_not_see_the_others(name: str, seed: int) -> None:
    tokens = drawn(seed)
    changed = np.stack([tokens[0], drawn(seed + 1)[1]])
    here, there = (routed(name, given, seed).combine_weights for given in (tokens, changed))
    np.testing.assert_array_equal(here[0], there[0])


@pytest.mark.parametrize("name", SPARSE)
def test_every_way_to_travel_gives_the_same_layer_and_gradients(name: str) -> None:
    tokens = jnp.asarray(drawn(0))

    def layer(dispatch: str) -> Any:
        router = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **EVERY[name], dispatch=dispatch)
        experts = Experts(EXPERTS, DIM, 5, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(1))
        graph, parameters = nnx.split((router, experts))

        def total(parameters: Any, tokens: jax.Array) -> Any:
            router, experts = nnx.merge(graph, parameters)
            outputs = router(tokens).apply(tokens, experts)
            return (outputs**2).sum(), outputs

        gradient = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)
        return jax.jit(gradient, compiler_options=UNOPTIMISED)(parameters, tokens)

    gathered, *others = map(layer, ("gather", "einsum", "ragged"))
    for other in others:
        jax.tree.map(
            lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5), gathered, other
        )


def by_queue(expert: np.ndarray, order: np.ndarray, experts: int, slots: int) -> list[list[int]]:
    """The rule in its plainest form: one token after the other, first choices before second ones."""
    seated: list[list[int]] = [[] for _ in range(experts)]
    for choice in range(expert.shape[1]):
        for token in order:
            if len(seated[expert[token, choice]]) < slots:
                seated[expert[token, choice]].append(int(token))
    return [tokens + [len(expert)] * (slots - len(tokens)) for tokens in seated]


@settings(max_examples=60, deadline=None)
@given(seed=seeds, slots=st.sampled_from([1, 3, 9]), experts=st.sampled_from([2, 5]))
def test_slots_are_given_as_in_a_queue(seed: int, slots: int, experts: int) -> None:
    draw = np.random.default_rng(seed)
    expert = np.stack([draw.permutation(experts)[:2] for _ in range(9)])
    order = draw.permutation(9)
    given = assign(jnp.asarray(expert)[None], jnp.asarray(order)[None], experts, slots)[0]
    assert given.tolist() == by_queue(expert, order, experts, slots)


assign = jax.jit(assign_slots, static_argnums=(2, 3))
