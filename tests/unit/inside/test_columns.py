"""Columns of the result table that a recording gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recordings import hard_frame, soft_frame, written

from moebench.inside.columns import recording_columns


def test_columns_are_means_over_layers(tmp_path: Path) -> None:
    labels = np.arange(40) % 4
    # Layer 1 follows the class, layer 2 the position.
    by_class = hard_frame(np.broadcast_to(labels[:, None, None], (40, 4, 1)), experts=4, labels=labels)
    by_place = hard_frame(np.broadcast_to(np.arange(4)[:, None], (40, 4, 1)), experts=4, labels=labels, layer=2)
    frame = pd.concat([by_class, by_place])
    swaps = {
        "layer": [1, 1, 2],
        "swap": ["random router", "permuted experts", "random router"],
        "accuracy": [0.5, 0.0, 0.75],
        "trained_accuracy": [0.75] * 3,
    }
    recording = written(tmp_path, frame, experts=4, layers=(1, 2), swaps=swaps)
    columns = recording_columns(recording)
    # 2 bits in one layer and none in the other, less what chance gives.
    assert columns["expert_class_information"] == pytest.approx(1, abs=0.1)
    assert columns["expert_position_information"] == pytest.approx(1, abs=0.1)
    assert columns["random_router_loss"] == pytest.approx(0.125)
    assert columns["expert_output_similarity"] == 0.25


def test_columns_without_a_meaning_are_null(tmp_path: Path) -> None:
    nothing = {"layer": [], "expert": [], "other": [], "cosine": [], "cka": []}
    swaps = {"layer": [], "swap": [], "accuracy": [], "trained_accuracy": []}
    frame = hard_frame(np.zeros((4, 4, 1), int), experts=1)
    recording = written(tmp_path, frame, experts=1, expert_pairs=nothing, swaps=swaps)
    assert set(recording_columns(recording).values()) == {None}


def test_uniform_weights_have_no_information(tmp_path: Path) -> None:
    weights = np.full((6, 4, 2, 1), 0.25)
    recording = written(tmp_path, soft_frame(weights, weights, labels=[0, 1] * 3), kind="soft")
    columns = recording_columns(recording)
    assert columns["expert_class_information"] == 0
    assert columns["expert_position_information"] == 0
