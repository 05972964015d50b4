"""Training: the schedule, what decays, divergence and its step, evaluation along the way."""

import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_models import SCHEDULE, stripes, tiny

from moebench.data import Split, batches
from moebench.measuring import operations
from moebench.measuring.memory import activation_bytes
from moebench.training import (
    EvalPoint,
    Program,
    Progress,
    Training,
    compile_unoptimized,
    compiled,
    loss_spikes,
    train,
)
from moebench.training.optimizer import decayed


def built(program: Program) -> tuple[Any, Any]:
    state, batch = program.abstract_state, program.abstract_batch(program.batch)
    return (
        compiled(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32))),
        compiled(program.train_step, state, *batch, donate=(0,)),
    )


@pytest.fixture(scope="module")
def soft() -> tuple[Any, Any]:
    return built(Program(tiny("soft", experts=2), SCHEDULE, batch=8))


def test_a_model_learns(soft: tuple[Any, Any]) -> None:
    init, step = soft
    training = train(step, Progress(init(jnp.asarray(0, jnp.int32))), batches(stripes(24), 8, 30, seed=0))
    assert training.diverged_step is None
    assert training.losses[0] == pytest.approx(np.log(3), abs=1e-5)
    assert training.final_loss < np.log(3) / 2
    steps, losses, accuracies = training.curve()
    # 30 steps in 25 parts: the first five parts have two steps, the others one.
    assert steps[:6] == [2, 4, 6, 8, 10, 11]
    assert steps[-1] == 30
    assert losses[0] == pytest.approx(training.losses[:2].mean())
    assert accuracies[5] == pytest.approx(training.accuracies[10])


def test_gradients_are_told_before_they_are_clipped(soft: tuple[Any, Any]) -> None:
    init, step = soft
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


def test_the_same_seed_gives_the_same_curve(soft: tuple[Any, Any]) -> None:
    init, step = soft
    curves = [
        train(step, Progress(init(jnp.asarray(seed, jnp.int32))), batches(stripes(24), 8, 5, seed)).losses
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    assert (curves[0] != curves[2]).any()


def test_divergence_ends_the_training_at_its_step(soft: tuple[Any, Any]) -> None:
    init, step = soft

    def spoiled() -> Any:
        for number, batch in enumerate(batches(stripes(24), 8, 100, 0), start=1):
            yield Split(batch.images * (np.nan if number == 7 else 1), batch.labels)

    training = train(step, Progress(init(jnp.asarray(0, jnp.int32))), spoiled())
    assert training.diverged_step == 7
    assert len(training.losses) == 7
    assert np.isfinite(training.losses[:6]).all()
    assert np.isnan(training.losses[6])


def test_weight_decay_spares_biases_scales_of_norms_positions_and_phi() -> None:
    def marks(*given: Any, **options: Any) -> dict[str, bool]:
        program = Program(tiny(*given, **options), SCHEDULE, batch=8)
        found = jax.tree_util.tree_leaves_with_path(decayed(program.abstract_state.parameters))
        return {jax.tree_util.keystr(path, simple=True, separator="/"): mark for path, mark in found}

    soft = marks("soft", experts=2)
    assert {name for name, mark in soft.items() if not mark} == {
        name
        for name in soft
        if any(part in name for part in ("bias", "positions", "phi")) or ("norm" in name and "scale" in name)
    }
    # The public configuration of Soft MoE decays the scale of the logits, and not phi, which is normalised.
    (scale,) = (name for name in soft if "router/scale" in name)
    (phi,) = (name for name in soft if "router/phi" in name)
    assert soft[scale]
    assert not soft[phi]
    assert any("kernel_in" in name and mark for name, mark in soft.items())
    sparse = marks("bpr", experts=2)
    assert all(mark for name, mark in sparse.items() if "router/kernel" in name)


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
    init, step = built(program)
    before = init(jnp.asarray(0, jnp.int32))
    kernel = np.array(before.parameters["blocks"][1]["mlp"]["router"]["kernel"][...])
    state = before
    for batch in batches(stripes(24), 8, 2, 0):
        state, _ = step(state, batch.images, batch.labels)
    assert np.abs(np.array(state.parameters["blocks"][1]["mlp"]["router"]["kernel"][...]) - kernel).max() > 0


@pytest.mark.parametrize(("steps", "warmup"), [(30, 0.1), (7, 0.0), (10, 0.9), (250, 0.3)])
def test_the_learning_rate_is_that_of_optax(steps: int, warmup: float) -> None:
    schedule = replace(SCHEDULE, steps=steps, warmup=warmup)
    reference = optax.warmup_cosine_decay_schedule(0.0, 1e-2, round(warmup * steps), steps)
    at = jnp.arange(steps + 3)
    # The last steps are differences of numbers near 1, of which float32 keeps 1e-7.
    np.testing.assert_allclose(jax.vmap(schedule.rate)(at), jax.vmap(reference)(at), rtol=1e-5, atol=1e-9)


def test_one_compiled_step_serves_every_schedule(soft: tuple[Any, Any]) -> None:
    init, step = soft
    batch = next(batches(stripes(24), 8, 1, seed=0))

    def moved(**changes: float) -> np.ndarray:
        start = init(jnp.asarray(0, jnp.int32))
        schedule = replace(start.schedule, warmup=np.float32(0), **{k: np.float32(v) for k, v in changes.items()})
        before = np.asarray(start.parameters["embed"]["kernel"][...])
        after, _ = step(replace(start, schedule=schedule), batch.images, batch.labels)
        return np.asarray(after.parameters["embed"]["kernel"][...]) - before

    # The head is zero, so that the embedding has no gradient at the first step: weight decay alone moves it, by
    # -rate · decay · kernel.
    assert (moved(learning_rate=0.1) == 0).all()
    one, two = moved(learning_rate=0.1, weight_decay=0.25), moved(learning_rate=0.2, weight_decay=0.5)
    kernel = np.asarray(init(jnp.asarray(0, jnp.int32)).parameters["embed"]["kernel"][...])
    np.testing.assert_allclose(one, -0.1 * 0.25 * kernel, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(two, -0.2 * 0.5 * kernel, rtol=1e-4, atol=1e-6)


def test_weights_of_auxiliary_losses_are_part_of_the_schedule() -> None:
    program = Program(tiny("tokens-choice", experts=2), SCHEDULE, batch=8)
    # Those of the router that are not zero.
    assert dict(program.schedule.loss_weights) == {"importance": 0.005, "load": 0.005}
    init, step = built(program)
    batch = next(batches(stripes(24), 8, 1, 0))

    def moved(weight: float) -> float:
        start = init(jnp.asarray(0, jnp.int32))
        weights = dict.fromkeys(start.schedule.loss_weights, np.float32(weight))
        schedule = replace(start.schedule, loss_weights=weights, warmup=np.float32(0))
        before = np.array(start.parameters["blocks"][1]["mlp"]["router"]["kernel"][...])
        after, _ = step(replace(start, schedule=schedule), batch.images, batch.labels)
        return float(np.abs(after.parameters["blocks"][1]["mlp"]["router"]["kernel"][...] - before).max())

    # The head is zero: at the first step auxiliary losses alone reach the router.
    assert moved(0.0) == 0
    assert moved(0.1) > 0


def test_a_training_is_evaluated_on_the_way(soft: tuple[Any, Any]) -> None:
    init, step = soft

    def steps_taken(state: Any) -> tuple[float, float]:
        return float(state.step), float(state.step) / 100

    kept: list[Progress] = []
    start = Progress(init(jnp.asarray(0, jnp.int32)))
    given = {"evaluate": steps_taken, "evaluate_at": range(12, 40, 12)}
    whole = train(step, start, batches(stripes(24), 8, 40, 0), kept.append, **given)
    expected = tuple(EvalPoint(step, float(step), step / 100) for step in (12, 24, 36))
    assert whole.eval_points == expected
    # Losses are read where the training is evaluated, and after 25 steps without a read.
    assert [len(progress.losses) for progress in kept] == [12, 24, 36]
    # One that resumes in between has the points of before.
    resumed = Progress(init(jnp.asarray(0, jnp.int32)), (1.0,) * 24, (0.0,) * 24, (1.0,) * 24, 0.0, expected[:2])
    rest = train(step, resumed, batches(stripes(24), 8, 40, 0, done=24), **given)
    assert [point.step for point in rest.eval_points] == [12, 24, 36]


def test_rematerialised_gradients_are_equal_and_store_less() -> None:
    # A router with state, which the backward pass must not update again.
    plain = tiny("loss-free", experts=2)
    programs = {remat: Program(replace(plain, remat=remat), SCHEDULE, batch=8) for remat in ("none", "dots", "blocks")}
    shapes = programs["none"].abstract_state, *programs["none"].abstract_batch(8)
    start, batch = programs["none"].init(jnp.asarray(0, jnp.int32)), next(batches(stripes(24), 8, 1, seed=0))
    found = {
        remat: compile_unoptimized(program.gradient, *shapes)(start, batch.images, batch.labels)
        for remat, program in programs.items()
    }
    for remat in ("dots", "blocks"):
        for ours, plain_ in zip(jax.tree.leaves(found[remat]), jax.tree.leaves(found["none"]), strict=True):
            np.testing.assert_allclose(ours, plain_, rtol=1e-4, atol=1e-6)
    traces = {remat: jax.make_jaxpr(program.gradient)(*shapes) for remat, program in programs.items()}
    assert activation_bytes(traces["blocks"]) < activation_bytes(traces["dots"]) < activation_bytes(traces["none"])
    assert operations(traces["blocks"]).total > 1.2 * operations(traces["none"]).total


@pytest.mark.parametrize("options", [{}, {"dispatch": "ragged"}], ids=["gather", "ragged"])
def test_the_parts_of_a_model_are_named_in_its_program(options: dict[str, str]) -> None:
    program = Program(tiny("tokens-choice", experts=2, **options), SCHEDULE, batch=8)
    lowered = jax.jit(program.train_step).lower(program.abstract_state, *program.abstract_batch(8))
    text = lowered.as_text(debug_info=True)
    parts = ("embed", "attention", "router", "dispatch", "experts", "combine", "head")
    assert [part for part in parts if not re.search(rf"[/(]{part}[/)]", text)] == []
