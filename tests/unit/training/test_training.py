"""Training: the schedule, what decays, divergence and its step, evaluation that counts every image once."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import SCHEDULE, stripes, tiny

from moebench.data import Split, batches
from moebench.training import (
    Program,
    Progress,
    Training,
    compile_unoptimized,
    compiled,
    evaluate,
    evaluation_batch,
    filled_batches,
    loss_spikes,
    train,
)
from moebench.training.optimizer import decayed


def built(program: Program) -> tuple[Any, Any, Any]:
    state, batch = program.abstract_state, program.abstract_batch(program.batch)
    weights = jax.eval_shape(lambda: jnp.zeros(program.batch))
    return (
        compiled(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32))),
        compiled(program.train_step, state, *batch, donate=(0,)),
        compiled(program.evaluate, state, *batch, weights),
    )


@pytest.fixture(scope="module")
def soft() -> tuple[Any, Any, Any]:
    return built(Program(tiny("soft", experts=2), SCHEDULE, batch=8))


def test_a_model_learns(soft: tuple[Any, Any, Any]) -> None:
    init, step, evaluation = soft
    training = train(step, Progress(init(jnp.asarray(0, jnp.int32))), batches(stripes(24), 8, 30, seed=0))
    assert training.diverged_step is None
    assert training.losses[0] == pytest.approx(np.log(3), abs=1e-5)
    assert training.final_loss < np.log(3) / 2
    assert evaluate(evaluation, training.state, stripes(24), 8).accuracy == 1.0
    steps, losses, accuracies = training.curve()
    # 30 steps in 25 parts: the first five parts have two steps, the others one.
    assert steps[:6] == [2, 4, 6, 8, 10, 11]
    assert steps[-1] == 30
    assert losses[0] == pytest.approx(training.losses[:2].mean())
    assert accuracies[5] == pytest.approx(training.accuracies[10])


def test_gradients_are_told_before_they_are_clipped(soft: tuple[Any, Any, Any]) -> None:
    init, step, _ = soft
    program = Program(tiny("soft", experts=2), SCHEDULE, batch=8)
    start, batch = init(jnp.asarray(0, jnp.int32)), next(batches(stripes(24), 8, 1, seed=0))
    gradient = compile_unoptimized(program.gradient, program.abstract_state, *program.abstract_batch(8))(
        start, batch.images, batch.labels
    )[0]
    norm = np.sqrt(sum(float((np.asarray(leaf) ** 2).sum()) for leaf in jax.tree.leaves(gradient)))
    _, report = step(start, batch.images, batch.labels)
    assert float(report.gradient_norm) == pytest.approx(norm, rel=1e-5)


def test_a_curve_of_gradients_has_medians_and_maxima() -> None:
    norms = np.arange(30.0)
    state = Program(tiny("soft", experts=2), SCHEDULE, batch=8).abstract_state
    training = Training(state, np.zeros(30), np.zeros(30), norms, None, 1.0)
    medians, maxima = training.gradient_norm_curve()
    # 30 steps in 25 parts: the first five have two steps, 0 and 1 to 8 and 9.
    assert medians[:6] == [0.5, 2.5, 4.5, 6.5, 8.5, 10.0]
    assert maxima[:6] == [1.0, 3.0, 5.0, 7.0, 9.0, 10.0]


def test_spikes_are_leaps_of_the_loss() -> None:
    # Around 1 with a deviation of 0.1: seven of them are 0.7.
    losses = 1 + 0.1 * (-1.0) ** np.arange(200)
    assert loss_spikes(losses) == []
    losses[150:152] = 1.75  # one spike of two steps, of which the first counts
    assert loss_spikes(losses) == [151]
    losses[150:152] = 1.65
    assert loss_spikes(losses) == []
    # Near zero the deviations are nothing: a spike is a tenth of the first loss at the least.
    losses = np.concatenate([[2.3], np.full(150, 1e-4)])
    losses[140] = 0.2
    assert loss_spikes(losses) == []
    losses[140] = 0.24
    assert loss_spikes(losses) == [141]
    # Nothing is said before 20 steps have been seen.
    assert loss_spikes(np.array([1.0, 1.0, 9.0])) == []


def test_precisions_keep_what_they_say() -> None:
    def types(precision: str) -> tuple[Any, ...]:
        program = Program(tiny("soft", precision, experts=2), SCHEDULE, batch=8)
        state = program.abstract_state
        made = jax.eval_shape(program.init, jax.ShapeDtypeStruct((), jnp.int32))
        assert jax.tree.map(lambda leaf: leaf.dtype, made) == jax.tree.map(lambda leaf: leaf.dtype, state)
        gradient = jax.eval_shape(program.gradient, state, *program.abstract_batch(8))[0]
        logits = jax.eval_shape(program.infer, state, program.abstract_batch(8)[0])
        moments = [leaf for leaf in jax.tree.leaves(state.optimizer) if leaf.ndim]
        kept = [{leaf.dtype.name for leaf in jax.tree.leaves(part)} for part in (state.parameters, gradient, moments)]
        return program.config.dtype.name, *kept, logits.dtype.name

    assert types("float32") == ("float32", {"float32"}, {"float32"}, {"float32"}, "float32")
    assert types("mixed") == ("bfloat16", {"float32"}, {"float32"}, {"float32"}, "float32")
    assert types("bfloat16") == ("bfloat16", {"bfloat16"}, {"bfloat16"}, {"bfloat16"}, "float32")


def test_the_same_seed_gives_the_same_curve(soft: tuple[Any, Any, Any]) -> None:
    init, step, _ = soft
    curves = [
        train(step, Progress(init(jnp.asarray(seed, jnp.int32))), batches(stripes(24), 8, 5, seed)).losses
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    assert (curves[0] != curves[2]).any()


def test_divergence_ends_the_training_at_its_step(soft: tuple[Any, Any, Any]) -> None:
    init, step, _ = soft

    def spoiled() -> Any:
        for number, batch in enumerate(batches(stripes(24), 8, 100, 0), start=1):
            yield Split(batch.images * (np.nan if number == 7 else 1), batch.labels)

    training = train(step, Progress(init(jnp.asarray(0, jnp.int32))), spoiled())
    assert training.diverged_step == 7
    assert len(training.losses) == 7
    assert np.isfinite(training.losses[:6]).all()
    assert np.isnan(training.losses[6])


def test_images_that_fill_up_the_last_batch_do_not_count(soft: tuple[Any, Any, Any]) -> None:
    init, _, evaluation = soft
    state = init(jnp.asarray(0, jnp.int32))
    everything = stripes(8)
    part = Split(everything.images[:5], everything.labels[:5])
    # The untrained head gives equal logits, so every image is taken for class 0: labels 0 1 2 0 1, two of five.
    result = evaluate(evaluation, state, part, 8)
    assert result.accuracy == pytest.approx(2 / 5)
    assert result.loss == pytest.approx(np.log(3), abs=1e-5)
    assert float(result.routing[0].tokens) == 8 * 4


@pytest.mark.parametrize(
    ("images", "batch", "group", "expected"),
    # 360 images in groups of 8 are 45 groups; of a batch's 8 groups at most, 5 divide 45.
    [(360, 64, 8, 40), (360, 64, 1, 60), (10, 64, 8, 16), (7, 2, 1, 1), (16, 4, 8, 8)],
)
def test_evaluation_batch(images: int, batch: int, group: int, expected: int) -> None:
    assert evaluation_batch(images, batch, group) == expected


@given(images=st.integers(1, 500), batch=st.integers(1, 128), group=st.integers(1, 16))
def test_evaluation_batches_are_whole_groups_and_add_up(images: int, batch: int, group: int) -> None:
    size = evaluation_batch(images, batch, group)
    whole_groups = -(-images // group) * group
    assert size % group == 0
    assert whole_groups % size == 0
    assert size <= max(batch, group)


def test_evaluation_mixes_classes_that_lie_together() -> None:
    # 8 classes of 8 images each, one after the other, as image folders have them.
    labels = np.repeat(np.arange(8, dtype=np.int32), 8)
    split = Split(np.arange(64, dtype=np.float32).reshape(64, 1, 1, 1), labels)
    parts = list(filled_batches(split, 24))
    seen = np.concatenate([part.images.ravel() for part, _ in parts])
    weights = np.concatenate([weight for _, weight in parts])
    # 3 batches of 24 are 72 places: every image once, and 8 of the first again for nothing.
    assert sorted(seen[weights == 1]) == list(range(64))
    np.testing.assert_array_equal(seen[64:], seen[:8])
    # Groups of 8 hold several classes each, and labels go with their images.
    assert all(len(set(group)) > 3 for group in (seen[:64] // 8).reshape(8, 8))
    np.testing.assert_array_equal(np.concatenate([part.labels for part, _ in parts]), seen // 8)
    # The same order every time: settings and seeds are compared on the same groups.
    np.testing.assert_array_equal(np.concatenate([part.images.ravel() for part, _ in filled_batches(split, 24)]), seen)


def test_weight_decay_spares_biases_scales_and_positions() -> None:
    program = Program(tiny("soft", experts=2), SCHEDULE, batch=8)
    marks = jax.tree_util.tree_leaves_with_path(decayed(program.abstract_state.parameters))
    by_name = {jax.tree_util.keystr(path): mark for path, mark in marks}
    assert {name for name, mark in by_name.items() if not mark} == {
        name for name in by_name if any(part in name for part in ("bias", "scale", "positions"))
    }
    assert any("phi" in name and mark for name, mark in by_name.items())
    assert any("kernel_in" in name and mark for name, mark in by_name.items())


def test_learning_rate_rises_and_falls() -> None:
    # One parameter, its gradient always 1, no decay: AdamW's first step has the size of the learning rate, which is
    # 0 at step 0 of a warm-up of 3 steps and peak/3 at step 1.
    optimizer = SCHEDULE.optimizer()
    parameters = {"kernel": jnp.ones(())}
    state = optimizer.init(parameters)
    sizes = []
    for _ in range(30):
        updates, state = optimizer.update({"kernel": jnp.ones(())}, state, parameters)
        sizes.append(-float(updates["kernel"]))
    assert sizes[0] == 0
    assert sizes[1] == pytest.approx(1e-2 / 3, rel=1e-4)
    assert sizes[3] == pytest.approx(1e-2, rel=1e-4)
    assert sizes[29] < 1e-4
    assert sizes[3:] == sorted(sizes[3:], reverse=True)


def test_auxiliary_losses_reach_the_router() -> None:
    # With the cross-entropy's gradient at zero (all weights of the head are), only the auxiliary losses move it.
    program = Program(tiny("tokens-choice", experts=2), SCHEDULE, batch=8)
    init, step, _ = built(program)
    before = init(jnp.asarray(0, jnp.int32))
    kernel = np.array(before.parameters["blocks"][1]["mlp"]["router"]["kernel"][...])
    state = before
    for batch in batches(stripes(24), 8, 2, 0):
        state, _ = step(state, batch.images, batch.labels)
    assert np.abs(np.array(state.parameters["blocks"][1]["mlp"]["router"]["kernel"][...]) - kernel).max() > 0
