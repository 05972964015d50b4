"""Two towers: what learns, what stays as it is, and what an embedding depends on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_models import captions, stripes, two_towers

from moebench.models.two_towers import of_length_1
from moebench.training import (
    Schedule,
    TrainState,
    TwoTowersProgram,
    compile_unoptimized,
    image_arrays,
    with_image_arrays,
)

SIDES = stripes(8)
IMAGES, CAPTIONS = jnp.asarray(SIDES.images), jnp.asarray(captions(SIDES.labels))
SCHEDULE = Schedule(steps=60, learning_rate=1e-2, weight_decay=0.0, warmup=0.1, clip_norm=1.0)
# No loss can tell pairs of one class apart: of three classes with 3, 3 and 2 of the 8 pairs.
FLOOR = (6 * np.log(3) + 2 * np.log(2)) / 8


@dataclass
class Trained:
    """Towers before and after 60 steps with one batch."""

    program: TwoTowersProgram

    @cached_property
    def start(self) -> TrainState:
        state: TrainState = compile_unoptimized(self.program.init, jnp.int32(0))(jnp.int32(0))
        return state

    @cached_property
    def end(self) -> tuple[TrainState, list[float]]:
        """The state, and the loss of each step."""
        step = compile_unoptimized(self.program.train_step, self.start, *self.program.abstract_batch(8))
        images = self.images(self.start, IMAGES).embeddings if self.program.config.frozen else IMAGES
        state, losses = self.start, []
        for _ in range(SCHEDULE.steps):
            state, report = step(state, images, CAPTIONS)
            losses.append(float(report.loss))
        return state, losses

    @cached_property
    def images(self) -> Any:
        return jax.jit(self.program.embed_images).lower(self.start, IMAGES).compile()

    @cached_property
    def texts(self) -> Any:
        return compile_unoptimized(self.program.embed_texts, self.start, CAPTIONS)


@pytest.fixture(scope="module")
def both() -> Trained:
    return Trained(TwoTowersProgram(two_towers("soft"), SCHEDULE, 8))


@pytest.fixture(scope="module")
def frozen() -> Trained:
    return Trained(TwoTowersProgram(two_towers("soft", frozen=True, loss="sigmoid"), SCHEDULE, 8))


def test_both_towers_learn_which_pairs_belong_together(both: Trained) -> None:
    state, losses = both.end
    assert losses[-1] < FLOOR + 0.1 < losses[0]
    images, texts = both.images(state, IMAGES), both.texts(state, CAPTIONS)
    for embeddings in (images.embeddings, texts):
        assert jnp.linalg.norm(embeddings, axis=1).tolist() == pytest.approx([1] * 8, abs=1e-5)
    found = np.asarray(both.program.scores(state, images.embeddings, texts).argmax(1))
    assert (SIDES.labels[found] == SIDES.labels).all()
    assert len(images.routing) == 1
    assert both.program.towers(both.start).scale == pytest.approx(10)
    assert both.program.towers(both.start).bias is None
    assert both.program.towers(state).scale != pytest.approx(10, abs=1e-3)


def test_a_frozen_image_tower_stays_as_it_is(frozen: Trained) -> None:
    assert frozen.program.towers(frozen.start).bias == pytest.approx(-10)
    state, losses = frozen.end
    assert losses[-1] < losses[0] - 0.5
    before, after = (jax.tree.leaves(image_arrays(frozen.program.config, each)) for each in (frozen.start, state))
    assert len(before) > 10
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    # Neither gradients nor moments are kept for the image tower: all that is trained is the text tower and two numbers.
    towers = frozen.program.towers(state)
    trained = sum(leaf.size for leaf in jax.tree.leaves(state.parameters))
    assert trained == sum(leaf.size for leaf in jax.tree.leaves(nnx.state(towers.text, nnx.Param))) + 2


def test_image_towers_start_from_equal_weights_and_can_be_exchanged(both: Trained, frozen: Trained) -> None:
    theirs, ours = (image_arrays(each.program.config, each.start) for each in (both, frozen))
    assert set(theirs["parameters"]) == {"embed", "positions", "blocks", "norm"}
    assert all((a == b).all() for a, b in zip(*map(jax.tree.leaves, (theirs, ours)), strict=True))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, theirs)
    for each in (both, frozen):
        changed = with_image_arrays(each.program.config, each.start, doubled)
        assert jax.tree.structure(changed) == jax.tree.structure(each.start)
        new, old = each.program.towers(changed), each.program.towers(each.start)
        assert (new.image.positions[...] == 2 * old.image.positions[...]).all()
        assert (new.text.positions[...] == old.text.positions[...]).all()


def test_a_caption_is_read_whole_and_from_its_end(both: Trained) -> None:
    state, _ = both.end
    same = np.tile(np.asarray(CAPTIONS)[:1], (8, 1))
    changed = same.copy()
    changed[np.arange(4), np.arange(4)] = 6
    distances = np.linalg.norm(both.texts(state, jnp.asarray(changed)) - both.texts(state, jnp.asarray(same)), axis=1)
    assert (distances[:4] > 1e-3).all()
    assert (distances[4:] < 1e-6).all()


def test_embeddings_of_zeros_have_a_gradient() -> None:
    assert jnp.isfinite(jax.grad(lambda x: of_length_1(x).sum())(jnp.zeros((1, 3)))).all()
    assert of_length_1(jnp.array([[3.0, 4.0]])).tolist() == [pytest.approx([0.6, 0.8])]
