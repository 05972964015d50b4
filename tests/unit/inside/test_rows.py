"""Rows of recordings worked by hand."""

import numpy as np
from recordings import hard_frame, soft_frame

from moebench.inside.rows import hard_rows, soft_rows


def test_hard_rows_list_every_choice_by_rank_and_tokens_without_any() -> None:
    # One image of three tokens, two experts (2 is none): token 0 chose 1 then 0, token 1 none, token 2 chose 0 alone.
    arrays = {
        "expert": np.array([[[1, 0], [2, 2], [2, 0]]]),
        "gate": np.array([[[0.7, 0.3], [0.5, 0.5], [0.9, 0.6]]]),
        "weight": np.array([[[0.7, 0.0], [0.5, 0.5], [0.9, 0.6]]]),
        "dropped": np.array([[[False, True], [True, True], [True, False]]]),
        "confidence": np.array([[0.7, 0.5, 0.6]]),
        "order": np.array([[2, 0, 1]]),  # token 2 takes slots first, then 0, then 1
    }
    rows = hard_rows(arrays, experts=2)
    assert rows["token"].tolist() == [0, 0, 1, 2]
    assert rows["expert"].tolist() == [1, 0, -1, 0]
    assert rows["rank"].tolist() == [0, 1, -1, 0]
    assert rows["dropped"].tolist() == [False, True, False, False]
    np.testing.assert_allclose(rows["gate"], [0.7, 0.3, np.nan, 0.6], rtol=1e-6)
    np.testing.assert_allclose(rows["combine"], [0.7, 0, 0, 0.6], rtol=1e-3)
    np.testing.assert_allclose(rows["confidence"], [0.7, 0.7, 0.5, 0.6], rtol=1e-3)
    assert rows["priority"].tolist() == [1, 1, 2, 0]
    assert set(rows["slot"]) == {-1}
    assert np.isnan(rows["dispatch"]).all()


def test_priority_counts_through_the_images_of_a_group() -> None:
    arrays = {
        "expert": np.zeros((2, 2, 1), int),
        "gate": np.ones((2, 2, 1)),
        "weight": np.ones((2, 2, 1)),
        "dropped": np.zeros((2, 2, 1), bool),
        "confidence": np.ones((2, 2)),
        "order": np.array([[3, 0, 2, 1]]),  # one group of two images: the last token of the second image is first
    }
    assert hard_rows(arrays, 1)["priority"].tolist() == [1, 3, 2, 0]


def test_soft_rows_hold_every_weight_of_small_layers() -> None:
    dispatch = np.arange(8, dtype=np.float16).reshape(1, 2, 2, 2) / 8
    combine = dispatch[:, ::-1] + 0  # another array of the same shape
    rows = soft_rows({"dispatch": dispatch, "combine": combine, "confidence": np.array([[0.25, 0.5]])})
    assert rows["token"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert rows["expert"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert rows["slot"].tolist() == [0, 1] * 4
    assert (rows["dispatch"] * 8).tolist() == list(range(8))
    assert (rows["combine"] * 8).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert rows["confidence"].tolist() == [0.25] * 4 + [0.5] * 4


def test_soft_rows_that_are_cut_keep_the_sums() -> None:
    # One image, 3 tokens, one expert with 2 slots, 1 weight kept of each.
    arrays = {
        "token": np.array([[[[2], [0]]]]),
        "dispatch": np.array([[[[0.5], [0.625]]]], np.float16),
        "combine": np.array([[[[0.25], [0.75]]]], np.float16),
        "token_dispatch_rest": np.array([[0.25, 0.375, 0.25]], np.float16),
        "token_combine_rest": np.array([[0.25, 1.0, 0.75]], np.float16),
        "slot_dispatch_rest": np.array([[[0.5, 0.375]]], np.float16),
        "slot_combine_rest": np.array([[[1.5, 0.5]]], np.float16),
        "confidence": np.array([[1.0, 1.0, 1.0]], np.float16),
    }
    rows = soft_rows(arrays)
    assert rows["token"].tolist() == [2, 0, 0, 1, 2, -1, -1]
    assert rows["slot"].tolist() == [0, 1, -1, -1, -1, 0, 1]
    token_sums = [float(rows["dispatch"][rows["token"] == token].sum()) for token in range(3)]
    assert token_sums == [0.625 + 0.25, 0.375, 0.5 + 0.25]
    slot_sums = [float(rows["dispatch"][rows["slot"] == slot].sum()) for slot in range(2)]
    assert slot_sums == [1.0, 1.0]
    assert [float(rows["combine"][rows["token"] == token].sum()) for token in range(3)] == [1.0, 1.0, 1.0]


def test_rests_that_rounding_makes_negative_are_zero() -> None:
    frame = soft_frame([[[[-1e-4]], [[1.0]]]], [[[[0.5]], [[1.0]]]])
    assert frame["dispatch"].tolist() == [0, 1]


def test_rows_carry_their_image_and_group() -> None:
    frame = hard_frame(np.zeros((4, 1, 1), int), experts=1, labels=[5, 6, 7, 8], group_images=2)
    assert frame["image"].tolist() == [0, 1, 2, 3]
    assert frame["label"].tolist() == [5, 6, 7, 8]
    assert frame["group"].tolist() == [0, 0, 1, 1]
    assert frame["place"].tolist() == [0, 1, 0, 1]
