"""Models train with routers that carry state, and with routers around whole blocks."""

import jax
import jax.numpy as jnp
import numpy as np
from routers_by_hand import quickly
from tiny_models import SCHEDULE, stripes, tiny

from moebench.training import Program


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
