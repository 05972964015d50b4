"""Analyses of recorded routing, of 1,000 images with 196 tokens, 12 layers and 2 choices: 4.7 million rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recordings import hard_frame, soft_frame

from moebench.inside import analyses

IMAGES, TOKENS, LAYERS, EXPERTS = 1000, 196, 12, 16
FACTORS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.25, 2.0)


def names(layer: int) -> dict[str, Any]:
    return {"layer": layer, "labels": np.arange(IMAGES) % 100}


@pytest.fixture(scope="module")
def hard() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    parts = []
    for layer in range(LAYERS):
        first = generator.integers(0, EXPERTS, (IMAGES, TOKENS))
        second = (first + generator.integers(1, EXPERTS, first.shape)) % EXPERTS
        gate = -np.sort(-generator.random((IMAGES, TOKENS, 2)), axis=-1)
        expert = np.stack([first, second], axis=-1)
        dropped = generator.random(expert.shape) < 0.1
        frame = hard_frame(expert, gate, experts=EXPERTS, dropped=dropped, group_images=8, **names(layer))
        parts.append(frame)
    return as_recorded(parts)


@pytest.fixture(scope="module")
def soft() -> pd.DataFrame:
    """As many rows of a soft router, which has two slots."""
    generator = np.random.default_rng(0)
    parts = []
    for layer in range(LAYERS):
        dispatch = generator.dirichlet(np.ones(TOKENS), (IMAGES, 2, 1)).transpose(0, 3, 1, 2)
        combine = generator.dirichlet(np.ones(2), (IMAGES, TOKENS))[..., None]
        parts.append(soft_frame(dispatch, combine, **names(layer)))
    return as_recorded(parts)


def as_recorded(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return frames as a recording is read: with the columns of the cell as categories."""
    frame = pd.concat(parts, ignore_index=True)
    return frame.astype(dict.fromkeys(("suite", "cell_id", "cell", "router"), "category"))


HARD: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "expert_map": analyses.expert_map,
    "slots_needed array": lambda frame: analyses.slots_needed(frame, "tokens", "array"),
    "slots_needed priority": lambda frame: analyses.slots_needed(frame, "tokens", "priority"),
    "slots_needed experts": lambda frame: analyses.slots_needed(frame, "experts"),
    "dropped_over_capacity": lambda frame: analyses.dropped_over_capacity(frame, FACTORS, top_k=2),
    "class_counts": analyses.class_counts,
    "position_counts": analyses.position_counts,
    "information class": lambda frame: analyses.expert_information(frame, "class"),
    "information position": lambda frame: analyses.expert_information(frame, "position"),
    "coactivation": analyses.coactivation,
    "calls_by_image": analyses.calls_by_image,
    "confidence_and_accuracy": analyses.confidence_and_accuracy,
    "gate_distribution": analyses.gate_distribution,
    # Half of the layers at one step, the others at another.
    "dynamics": lambda frame: analyses.dynamics(frame.assign(step=frame["layer"] % 2, layer=frame["layer"] // 2)),
}
SOFT: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "expert_map": analyses.expert_map,
    "class_counts": analyses.class_counts,
    "information class": lambda frame: analyses.expert_information(frame, "class"),
    "information position": lambda frame: analyses.expert_information(frame, "position"),
    "slot_weights": lambda frame: analyses.slot_weights(frame, 0),
    "tokens_for_share": analyses.tokens_for_share,
    "cumulative dispatch": lambda frame: analyses.cumulative_weights(frame, "dispatch"),
    "cumulative combine": lambda frame: analyses.cumulative_weights(frame, "combine"),
    "token_mass": lambda frame: analyses.token_mass(frame, "token"),
}


@pytest.mark.parametrize("name", HARD)
def test_analysis_of_choices(benchmark: Any, name: str, hard: pd.DataFrame) -> None:
    assert len(benchmark.pedantic(HARD[name], (hard,), rounds=2))


@pytest.mark.parametrize("name", SOFT)
def test_analysis_of_slots(benchmark: Any, name: str, soft: pd.DataFrame) -> None:
    assert len(benchmark.pedantic(SOFT[name], (soft,), rounds=2))
