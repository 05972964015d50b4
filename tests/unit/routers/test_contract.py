"""What every registered router does, whatever its strategy: one program for each, compiled once.

The program takes a training step, and evaluates with the state that such a step leaves, on drawn tokens with and
without ties; each test reads its part of the results.
"""

import inspect
from dataclasses import fields
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import quickly

from moebench import routers
from moebench.models import Experts
from moebench.routers import RouterState, Routing
from moebench.routers.sparse import ROUTING_BY_DISPATCH

GROUPS, TOKENS, DIM, EXPERTS = 2, 12, 6, 4
NAMES = routers.names()
# Where an expert has too few slots for the tokens that choose it, some are dropped.
TIGHT = {"capacity_factor": 0.7}
OPTIONS: dict[str, dict[str, Any]] = {
    **{
        name: TIGHT | {"top_k": 2} for name in ("tokens-choice", "bpr", "gshard", "random", "loss-free", "zero-experts")
    },
    **dict.fromkeys(("experts-choice", "switch", "sinkhorn", "hash", "relu"), TIGHT),
    **{name: {"slots_per_expert": 2} for name in ("soft", "soft-uniform", "uniform-soft", "uniform")},
    "dropless": {"top_k": 2},
    "mixture-of-depths": {"capacity_factor": 0.5},
}
FROZEN = "random"
"""The router whose state is drawn once and stays."""
BESIDE = "zero-experts"
"""The router that has experts beside the MLPs, which are not in the views."""
SEVERAL_WAYS = ("bpr", "relu", "experts-choice")
"""One router of each kind, whose tokens choose k experts, any number of experts, or none."""
DRAWS = ("drawn", "ties", "drawn again")


def options_of(name: str) -> dict[str, Any]:
    needed = {key for key, default in routers.options(name).items() if default is inspect.Parameter.empty}
    return dict.fromkeys(needed, EXPERTS) | OPTIONS.get(name, {})


def tokens_of(draw: str) -> np.ndarray:
    tokens = np.random.default_rng(len(draw)).normal(size=(GROUPS, TOKENS, DIM)).astype(np.float32)
    # Four different tokens only: many gates are equal.
    return tokens[:, np.arange(TOKENS) % 4] if draw == "ties" else tokens


def views(routing: Routing) -> dict[str, Any]:
    """Which token is in which slot, and how much it weighs there."""
    names = ("gates", "dispatch_weights", "combine_weights", "losses")
    return {name: getattr(routing, name) for name in names} | {"load": routing.counts().load}


def moves(routing: Routing, tokens: jax.Array, experts: Experts, key: jax.Array) -> dict[str, Any]:
    """What dispatch and combine do, with drawn outputs of the experts and nonsense in empty slots."""
    inputs = routing.dispatch(tokens)
    outputs = jax.random.normal(key, inputs.shape)
    empty = jnp.moveaxis(routing.dispatch_weights.sum(1) == 0, 1, 0)
    return {
        "metrics": routing.metrics(),
        "inputs": inputs,
        "outputs": outputs,
        "combined": routing.combine(jnp.where(empty[..., None], 1e9, outputs)),
        "layer": routing.apply(tokens, experts),
    }


@cache
def program(name: str) -> Any:
    """The one program of a router, from tokens, a seed and the state for evaluation; and the state before training."""
    router = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options_of(name))
    experts = Experts(router.experts, DIM, 5, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(1))
    graph, parameters, state = nnx.split((router, experts), nnx.Param, ...)

    def step(parameters: Any, tokens: jax.Array, key: jax.Array) -> Any:
        router, experts = nnx.merge(graph, parameters, state, copy=True)
        routing = router(tokens, noise_key=key)
        outputs = routing.apply(tokens, experts)
        auxiliary = sum(weight * routing.losses[loss] for loss, weight in router.loss_weights.items() if weight)
        return (outputs**2).sum() + auxiliary, (routing, nnx.split((router, experts), nnx.Param, ...)[2])

    def run(tokens: jax.Array, seed: jax.Array, held: Any) -> dict[str, Any]:
        key = jax.random.key(seed)
        gradient, (trained, after) = jax.grad(step, argnums=(0, 1), has_aux=True)(parameters, tokens, key)
        router, experts = nnx.merge(graph, parameters, held, copy=True)
        evaluated = router(tokens)
        kept = nnx.split((router, experts), nnx.Param, ...)[2]
        return {
            "gradient": gradient,
            "training": views(trained),
            "evaluation": views(evaluated) | moves(evaluated, tokens, experts, key),
            "by_dispatch": by_dispatch(evaluated, tokens, experts) if name in SEVERAL_WAYS else {},
            "beside": evaluated.combine(jnp.zeros_like(evaluated.dispatch(tokens))) if name == BESIDE else 0.0,
            "after": after,
            "held": held,
            "kept": kept,
        }

    return quickly(run), state


def by_dispatch(routing: Routing, tokens: jax.Array, experts: Experts) -> dict[str, jax.Array]:
    """The layer's outputs by all ways to move tokens."""
    held = {field.name: getattr(routing, field.name) for field in fields(routing)}
    return {way: kind(**held).apply(tokens, experts) for way, kind in ROUTING_BY_DISPATCH.items()}


@cache
def trained_state(name: str) -> Any:
    """The state after a training step."""
    compiled, before = program(name)
    return compiled(tokens_of("drawn"), 0, before)["after"]


@cache
def results(name: str, draw: str, seed: int = 0) -> dict[str, Any]:
    return run(name, tokens_of(draw), seed)


def run(name: str, tokens: np.ndarray, seed: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = jax.device_get(program(name)[0](tokens, seed, trained_state(name)))
    return found


def hard(name: str) -> bool:
    """Whether slots hold single tokens; a merger of experts shows a single expert that holds all of them."""
    return name not in ("soft", "soft-uniform", "uniform-soft", "uniform")


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_parameter_and_the_tokens(name: str) -> None:
    gradient = results(name, "drawn")["gradient"]
    for path, array in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(array).all(), path
        assert np.abs(array).max() > 0, path
    for draw in DRAWS[1:]:
        assert all(np.isfinite(array).all() for array in jax.tree.leaves(results(name, draw)["gradient"]))


@pytest.mark.parametrize("name", NAMES)
def test_training_updates_the_state_and_evaluation_leaves_it(name: str) -> None:
    found, before = results(name, "drawn"), jax.tree.leaves(program(name)[1])
    after, held, kept = (jax.tree.leaves(found[when]) for when in ("after", "held", "kept"))
    assert all((old == new).all() for old, new in zip(held, kept, strict=True))
    assert all(old.dtype == new.dtype for old, new in zip(before, after, strict=True))
    changed = any((old != new).any() for old, new in zip(before, after, strict=True))
    assert changed == (bool(before) and name != FROZEN)
    made = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options_of(name))
    assert len(jax.tree.leaves(nnx.state(made, RouterState))) == len(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_router_is_deterministic_in_evaluation_and_by_its_key_in_training(name: str) -> None:
    first, again, other = results(name, "drawn"), run(name, tokens_of("drawn")), results(name, "drawn", seed=1)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    for view in ("gates", "dispatch_weights", "combine_weights", "layer", "losses"):
        jax.tree.map(np.testing.assert_array_equal, first["evaluation"][view], other["evaluation"][view])


@pytest.mark.parametrize("name", NAMES)
def test_the_dense_views_are_what_dispatch_and_combine_do(name: str) -> None:
    for draw in DRAWS:
        found = results(name, draw)
        routing = found["evaluation"]
        mixed = np.einsum("gsep,gsd->egpd", routing["dispatch_weights"], tokens_of(draw))
        np.testing.assert_allclose(mixed, routing["inputs"], atol=1e-5)
        # An expert's output in an empty slot changes nothing.
        unmixed = np.einsum("gsep,egpd->gsd", routing["combine_weights"], routing["outputs"])
        np.testing.assert_allclose(unmixed, routing["combined"] - found["beside"], atol=1e-5, err_msg=draw)


@pytest.mark.parametrize("name", [name for name in NAMES if hard(name)])
def test_a_slot_holds_one_token_and_an_expert_holds_a_token_once(name: str) -> None:
    for draw in DRAWS:
        for phase in ("training", "evaluation"):
            routing = results(name, draw)[phase]
            weights = routing["dispatch_weights"]
            assert set(np.unique(weights)) <= {0, 1}
            assert (weights.sum(1) <= 1).all()
            assert (weights.sum(3) <= 1).all()
            if name != "smear":  # whose loads are the shares of its experts in the merged one
                np.testing.assert_allclose(routing["load"], weights.sum((0, 1, 3)))


@pytest.mark.parametrize("name", [name for name in NAMES if routers.find(name).permutation_equivariant])
def test_permuted_tokens_are_routed_alike(name: str) -> None:
    tokens = tokens_of("drawn")
    order = np.random.default_rng(0).permutation(TOKENS)
    here, there = (run(name, each)["evaluation"] for each in (tokens, tokens[:, order]))
    for view in ("dispatch_weights", "combine_weights"):
        by_expert, other = here[view].sum(3), there[view].sum(3)
        np.testing.assert_allclose(by_expert[:, order], other, atol=1e-5, err_msg=view)
    np.testing.assert_allclose(here["layer"][:, order], there["layer"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_is_routed_on_its_own(name: str) -> None:
    tokens = tokens_of("drawn")
    changed = np.stack([tokens[0], tokens_of("drawn again")[1]])
    here, there = (run(name, each)["evaluation"]["layer"] for each in (tokens, changed))
    np.testing.assert_allclose(here[0], there[0], rtol=1e-6, atol=1e-6)
    assert (here[1] != there[1]).any()


@pytest.mark.parametrize("name", SEVERAL_WAYS)
def test_all_ways_to_move_tokens_give_the_same_layer(name: str) -> None:
    for draw in DRAWS:
        found = results(name, draw)
        assert set(found["by_dispatch"]) == {"gather", "einsum", "ragged"}
        for way, layer in found["by_dispatch"].items():
            np.testing.assert_allclose(layer, found["evaluation"]["layer"], rtol=1e-4, atol=1e-5, err_msg=way)


@pytest.mark.parametrize("name", NAMES)
def test_metrics_have_one_set_of_names_and_shares_are_shares(name: str) -> None:
    metrics = results(name, "drawn")["evaluation"]["metrics"]
    assert set(metrics) == set(results("dense", "drawn")["evaluation"]["metrics"])
    for share in ("dropped_tokens", "dead_experts", "slot_utilisation"):
        assert -1e-6 <= metrics[share] <= 1 + 1e-6, share


@pytest.mark.parametrize("name", NAMES)
def test_gates_are_float32_for_bfloat16_tokens(name: str) -> None:
    router = routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **options_of(name))
    experts = Experts(router.experts, DIM, 5, dtype=jnp.dtype("bfloat16"), rngs=nnx.Rngs(1))
    tokens = jnp.zeros((GROUPS, TOKENS, DIM), jnp.bfloat16)
    gates, outputs = jax.eval_shape(lambda: ((routing := router(tokens)).gates, routing.apply(tokens, experts)))
    assert gates.dtype == jnp.float32
    assert outputs.dtype == jnp.bfloat16
