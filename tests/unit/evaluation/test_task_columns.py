"""Columns of diagnostic tasks, with numbers worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from moebench import data, models
from moebench.data.dataset import Pixels, Split
from moebench.data.tasks.scenes import NO_GROUP
from moebench.evaluation.pass_over_split import Evaluation
from moebench.evaluation.task_columns import TaskTruth, needles_processed


def evaluation(correct: list[bool], loss: float = 1.0, processed: np.ndarray | None = None) -> Evaluation:
    return Evaluation(
        accuracy=float(np.mean(correct)),
        loss=loss,
        image_correct=np.array(correct),
        image_log_likelihood=np.zeros(len(correct), np.float16),
        routing=[],
        wall_s=0.0,
        processed=processed,
    )


def test_the_truth_of_a_token_is_the_smallest_of_its_pixels() -> None:
    stored = np.full((1, 16, 16, 4), NO_GROUP, np.uint8)
    stored[0, 2, 3, 3] = 7
    stored[0, 8:, :8, 3] = 1
    split = Split(Pixels(stored, (0.0,) * 4, (1.0,) * 4, hidden=1), np.zeros(1, np.int32))
    found = TaskTruth.read(data.Task("needles", 2), split, models.preset("pico/8"))
    np.testing.assert_array_equal(found.by_token, [[7, NO_GROUP, 1, NO_GROUP]])
    np.testing.assert_array_equal(found.needles, [[True, False, True, False]])
    with_class_token = replace(models.preset("pico/8"), class_token=True)
    found = TaskTruth.read(data.Task("needles", 2), split, with_class_token)
    np.testing.assert_array_equal(found.by_token, [[NO_GROUP, 7, NO_GROUP, 1, NO_GROUP]])


def test_bits_of_a_lookup() -> None:
    # Half of the 4 bits of each of 64 labels.
    truth = TaskTruth(data.Task("lookup", 64), np.zeros((64, 4), np.int64))
    assert truth.evaluated(evaluation([True] * 64, loss=np.log(4)))["memorised_bits"] == pytest.approx(128)


def test_accuracy_on_the_rarer_half_of_the_domains() -> None:
    # Of 5 domains the rare ones are 3 and 4: of their three images two are right.
    truth = TaskTruth(data.Task("skewed", 5), np.array([[0], [2], [3], [4], [4]]))
    assert truth.evaluated(evaluation([False, False, True, False, True])) == {"tail_accuracy": pytest.approx(2 / 3)}


def test_the_share_of_needles_that_an_expert_processes() -> None:
    by_token = np.array([[3, NO_GROUP, NO_GROUP], [NO_GROUP, NO_GROUP, 0]])
    # The needles are processed in one and a half of two layers each, on average 0.75.
    processed = np.array([[1, 0, 0.5], [1, 1, 0.5]], np.float32)
    truth = TaskTruth(data.Task("needles", 1), by_token)
    assert truth.evaluated(evaluation([True, True], processed=processed)) == {"needles_processed": 0.75}
    assert truth.evaluated(evaluation([True, True])) == {"needles_processed": None}
    assert needles_processed(None, processed) is None


def test_other_tasks_have_no_needles() -> None:
    truth = TaskTruth(data.Task("domains", 2), np.zeros((1, 4), np.int64))
    assert truth.evaluated(evaluation([True])) == {"needles_processed": None}
