"""Every router in training and in evaluation: gradients, state, determinism, and a real training step."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import quickly
from tiny_models import SCHEDULE, stripes, tiny

from moebench import routers
from moebench.models import Experts
from moebench.routers import Router
from moebench.training import Program

GROUPS, TOKENS, DIM = 2, 8, 6
KEEPERS = {"loss-free", "quantile", "threshold", "expert-race", "relu"}
"""Routers that keep something from step to step."""


def created(name: str, **options: Any) -> Router:
    needed = {key: 4 for key, default in routers.options(name).items() if default is inspect.Parameter.empty}
    return routers.create(name, dim=DIM, rngs=nnx.Rngs(0), **{**needed, **options})


@pytest.mark.parametrize("name", routers.names())
def test_training_reaches_every_parameter_and_evaluation_leaves_everything(name: str) -> None:
    router = created(name)
    experts = Experts(router.experts, DIM, 5, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(1))
    graph, parameters, state = nnx.split((router, experts), nnx.Param, ...)
    tokens = jax.random.normal(jax.random.key(0), (GROUPS, TOKENS, DIM))

    def layer(parameters: Any, state: Any, key: jax.Array | None) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        router, experts = nnx.merge(graph, parameters, state, copy=True)
        routing = router(tokens, noise_key=key)
        outputs = routing.apply(tokens, experts)
        auxiliary = sum(weight * routing.losses[loss] for loss, weight in router.loss_weights.items() if weight)
        return (outputs**2).sum() + auxiliary, (outputs, nnx.split((router, experts), nnx.Param, ...)[2])

    def both(key: jax.Array) -> Any:
        trained = jax.grad(layer, has_aux=True)(parameters, state, key)
        return trained, layer(parameters, state, None)[1]

    (gradient, (outputs, trained)), (evaluated, kept) = quickly(both)(jax.random.key(1))
    assert outputs.shape == evaluated.shape == tokens.shape
    for path, array in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(array).all(), path
        assert np.abs(array).max() > 0, path
    before, after = jax.tree.leaves(state), jax.tree.leaves(trained)
    assert all((old == same).all() for old, same in zip(before, jax.tree.leaves(kept), strict=True))
    assert bool(before) == (name in KEEPERS)
    assert any((old != new).any() for old, new in zip(before, after, strict=True)) == (name in KEEPERS)
    assert all(old.dtype == new.dtype for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("name", routers.names())
def test_gates_are_float32_where_tokens_are_bfloat16(name: str) -> None:
    router = created(name)
    experts = Experts(router.experts, DIM, 5, dtype=jnp.dtype("bfloat16"), rngs=nnx.Rngs(1))
    tokens = jnp.zeros((GROUPS, TOKENS, DIM), jnp.bfloat16)
    gates, outputs = jax.eval_shape(lambda: ((routing := router(tokens)).gates, routing.apply(tokens, experts)))
    assert gates.dtype == jnp.float32
    assert outputs.dtype == jnp.bfloat16


def test_a_model_learns_and_carries_what_its_routers_keep() -> None:
    program = Program(tiny("quantile", experts=2), SCHEDULE, batch=8)
    state, step = quickly(program.init)(jnp.zeros((), jnp.int32)), quickly(program.train_step)
    images = stripes(8)
    losses = []
    for _ in range(12):
        state, report = step(state, images.images, images.labels)
        losses.append(float(report.loss))
    assert losses[-1] < 0.9 * losses[0]
    (bias,) = jax.tree.leaves(state.variables)
    assert np.abs(bias).max() > 0


def test_a_model_whose_blocks_are_gone_past_is_trained() -> None:
    program = Program(tiny("mixture-of-depths"), SCHEDULE, batch=8)
    state, loss = jax.eval_shape(
        lambda *given: ((stepped := program.train_step(*given))[0], stepped[1].loss),
        program.abstract_state,
        *program.abstract_batch(8),
    )
    assert loss.shape == ()
    assert jax.tree.structure(state.parameters) == jax.tree.structure(program.abstract_state.parameters)
