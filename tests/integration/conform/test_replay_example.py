"""The example that records a model's logits gives a file that can be replayed."""

import runpy
from pathlib import Path

import pytest
from paths import REPOSITORY

from moebench.replay import open_recording, parse_rules, replay


def test_logits_of_a_mixtral_model_are_replayed(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("transformers", reason="the package transformers is not installed")
    record = runpy.run_path(str(REPOSITORY / "examples" / "replay_mixtral.py"))["record"]
    record(str(tmp_path / "logits.npz"))
    recording = open_recording(tmp_path / "logits.npz")
    assert [(layer.name, layer.tokens, layer.width) for layer in recording.layers] == [
        ("layer0", 512, 8),
        ("layer1", 512, 8),
    ]
    rows = replay(recording, parse_rules("tokens-choice[top_k=2,capacity_factor=[0.25,2]]", 8))
    assert rows["group_tokens"].unique().tolist() == [64]
    dropped = rows.groupby("capacity_factor")["dropped_assignments"].mean()
    assert dropped[0.25] > 0.7  # a quarter of all choices have a slot
    assert dropped[2.0] < dropped[0.25]
