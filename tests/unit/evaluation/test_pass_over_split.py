"""A pass over a split: every image once, in mixed groups, its values in the split's own order."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import SCHEDULE, stripes, tiny

from moebench.data import Pixels, Split, batches
from moebench.evaluation.pass_over_split import evaluate, evaluation_batch, filled_batches, split_digest
from moebench.training import EvalReport, Program, Progress, TrainState, compiled, train


@pytest.fixture(scope="module")
def soft() -> tuple[Any, Any, Any]:
    program = Program(tiny("soft", experts=2), SCHEDULE, batch=8)
    state, batch = program.abstract_state, program.abstract_batch(8)
    weights = jax.eval_shape(lambda: jnp.zeros(8))
    return (
        compiled(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32))),
        compiled(program.train_step, state, *batch, donate=(0,)),
        compiled(program.evaluate, state, *batch, weights),
    )


def test_a_trained_model_is_evaluated(soft: tuple[Any, Any, Any]) -> None:
    init, step, evaluation = soft
    training = train(step, Progress(init(jnp.asarray(0, jnp.int32))), batches(stripes(24), 8, 30, seed=0))
    found = evaluate(evaluation, training.state, stripes(24), 8)
    assert found.accuracy == 1.0
    assert found.image_correct.all()
    # The mean of what is known of the images is the loss, to the precision of float16.
    assert -found.image_log_likelihood.astype(float).mean() == pytest.approx(found.loss, rel=1e-3)


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


def test_values_by_image_come_in_the_order_of_the_split() -> None:
    # A stand-in for a model: the loss of an image is its only pixel, and even images are classified rightly.
    def step(state: Any, images: Any, labels: Any, weights: Any) -> EvalReport:
        values = np.asarray(images).ravel()
        correct = values % 2 == 0
        return EvalReport(
            loss=jnp.asarray((weights * values).sum()),
            correct=jnp.asarray((weights * correct).sum()),
            routing=[],
            image_loss=jnp.asarray(values),
            image_correct=jnp.asarray(correct),
            calls=jnp.asarray(values + 0.5),
            processed=jnp.asarray(values)[:, None],
        )

    split = Split(np.arange(21, dtype=np.float32).reshape(21, 1, 1, 1), np.zeros(21, np.int32))
    state = TrainState(None, None, None, None, None, SCHEDULE)
    found = evaluate(step, state, split, 8)
    assert found.image_correct.tolist() == [image % 2 == 0 for image in range(21)]
    assert found.image_log_likelihood.tolist() == [-image for image in range(21)]
    assert found.image_log_likelihood.dtype == np.float16
    assert found.calls is not None
    assert found.calls.tolist() == [image + 0.5 for image in range(21)]
    assert found.processed is not None
    assert found.processed.tolist() == [[image] for image in range(21)]
    assert found.accuracy == pytest.approx(11 / 21)
    assert found.loss == pytest.approx(10.0)


def test_a_digest_is_of_images_and_labels_in_their_order() -> None:
    split = stripes(9)
    bytes_of = Pixels(np.arange(9 * 16, dtype=np.uint8).reshape(9, 4, 4, 1), (1.0,), (2.0,))
    other_images = split.images.copy()
    other_images[3, 0, 0, 0] += 1
    other_labels = split.labels.copy()
    other_labels[8] += 1
    different = [
        split,
        Split(other_images, split.labels),
        Split(split.images, other_labels),
        Split(split.images[::-1], split.labels[::-1]),
        Split(split.images[:8], split.labels[:8]),
        Split(bytes_of, split.labels),
    ]
    assert len({split_digest(each) for each in different}) == len(different)
    # How the training images scale the pixels makes no other test set.
    scaled = Split(Pixels(bytes_of.stored, (3.0,), (4.0,)), split.labels)
    assert split_digest(scaled) == split_digest(different[-1])
