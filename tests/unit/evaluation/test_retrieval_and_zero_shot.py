"""Retrieval, choices and zero-shot classification, against numbers worked by hand."""

import numpy as np
import pytest

from moebench.evaluation.retrieval import choice_accuracy, image_to_text_ranks, recalls, text_to_image_ranks
from moebench.evaluation.zero_shot import class_embeddings, zero_shot_accuracy

# Three images; captions 0 and 1 belong to image 0, caption 2 to image 1, captions 3 and 4 to image 2.
OWNERS = np.array([0, 0, 1, 2, 2])
SCORES = np.array(
    [
        [0.1, 0.9, 0.8, 0.2, 0.3],
        [0.5, 0.4, 0.4, 0.6, 0.1],
        [0.7, 0.2, 0.9, 0.1, 0.7],
    ]
)


def test_an_image_is_found_by_any_of_its_captions() -> None:
    # Image 0: its caption 1 is best. Image 1: 0.6, 0.5 and the equal 0.4 come before its 0.4. Image 2: 0.9 and the
    # equal 0.7 come before its best, 0.7.
    assert image_to_text_ranks(SCORES, OWNERS).tolist() == [0, 3, 2]
    assert recalls(np.array([0, 3, 2])) == {1: pytest.approx(1 / 3), 5: 1.0, 10: 1.0}


def test_a_caption_finds_its_one_image() -> None:
    # Columns: 0.1 is below 0.5 and 0.7; 0.9 is best; 0.4 is below both others; 0.1 below 0.2 and 0.6; 0.7 is best.
    assert text_to_image_ranks(SCORES, OWNERS).tolist() == [2, 0, 2, 2, 0]
    assert recalls(np.array([2, 0, 2, 2, 0]), (1, 2, 3)) == {1: 0.4, 2: 0.4, 3: 1.0}


def test_equal_embeddings_find_nothing() -> None:
    assert image_to_text_ranks(np.ones((3, 5)), OWNERS).tolist() == [3, 4, 3]
    assert text_to_image_ranks(np.ones((3, 5)), OWNERS).tolist() == [2] * 5
    assert choice_accuracy(np.ones(4), np.ones(4)) == 0.5


def test_choices_are_the_share_of_higher_scores() -> None:
    assert choice_accuracy(np.array([0.9, 0.2, 0.5, 0.7]), np.array([0.1, 0.3, 0.5, 0.6])) == 2.5 / 4


def test_a_class_is_the_mean_of_its_prompts_at_length_1() -> None:
    # (1, 0) and (0, 1) have the mean (0.5, 0.5); (0.6, 0.8) and (1, 0) have (0.8, 0.4), of length 0.894427.
    prompts = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [1.0, 0.0]]])
    expected = np.array([[0.707107, 0.707107], [0.894427, 0.447214]])
    np.testing.assert_allclose(class_embeddings(prompts), expected, atol=1e-6)


def test_all_classes_are_candidates_for_images_of_seen_and_of_held_out_classes() -> None:
    classes = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    images = np.array([[0.8, 0.6], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6], [0.8, 0.6]])
    # Predicted: 0, 1, 1, 2, 0. Of the images of the seen classes 0 and 1 two of three are right, of class 2 one of two.
    found = zero_shot_accuracy(images, classes, np.array([0, 0, 1, 2, 2]), np.array([True, True, False]))
    assert (found.seen, found.unseen) == (pytest.approx(2 / 3), 0.5)
    assert zero_shot_accuracy(images, classes, np.array([0, 0, 1, 0, 0]), np.array([True] * 3)).unseen is None
