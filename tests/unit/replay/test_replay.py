"""Recorded logits routed again: agreement with the routers themselves, hand-worked drops, files and mistakes."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flax import nnx

from moebench import routers
from moebench.cli import main
from moebench.errors import BadInput
from moebench.replay import open_recording, parse_rules, place, replay, run

RULES = (
    "tokens-choice[top_k=2]",
    "bpr[capacity_factor=0.5]",
    "experts-choice",
    "switch",
    "loss-free[top_k=2]",
    "gshard",
)


def logits(layers: int = 2, tokens: int = 24, experts: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(layers, tokens, experts)).astype(np.float32)


def saved(folder: Path, suffix: str, array: np.ndarray) -> Path:
    path = folder / f"logits{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        np.savez_compressed(path, **{f"layer{number}": rows for number, rows in enumerate(array)})
    else:
        rows = {"layer": np.repeat(np.arange(len(array)), array.shape[1]), "logits": list(array.reshape(-1, 4))}
        pq.write_table(pa.table({"layer": rows["layer"], "logits": pa.array(rows["logits"].__iter__())}), path)
    return path


def rows(path: Path, rule: str, group: int | None = None) -> list[dict[str, Any]]:
    recording = open_recording(path)
    return replay(recording, parse_rules(rule, recording.layers[0].width), group).to_dict("records")


@pytest.mark.parametrize("rule", RULES)
def test_a_replay_is_the_router_itself(tmp_path: Path, rule: str) -> None:
    array = logits()
    (parsed,) = parse_rules(rule, 4)
    options = {key: value for key, value in parsed.router.options.items() if key != "experts"}
    router = routers.create(parsed.name, dim=4, rngs=nnx.Rngs(0), experts=4, **options)
    router.kernel = nnx.Param(jnp.eye(4))
    for layer, row in enumerate(rows(saved(tmp_path, ".npy", array), rule, 12)):
        expected = router(jnp.asarray(array[layer]).reshape(2, 12, 4)).metrics()
        for name in ("dropped_tokens", "dropped_assignments", "load_cv", "max_violation", "router_entropy"):
            np.testing.assert_allclose(row[name], expected[name], rtol=1e-6, equal_nan=True)
        np.testing.assert_allclose(row["expert_load"], expected["expert_load"], rtol=1e-6)


def test_drops_by_array_order_and_by_priority_by_hand(tmp_path: Path) -> None:
    # Four tokens, two experts, one slot each at C = 1/2: tokens 0, 1 and 3 want expert 0, token 2 wants expert 1.
    array = np.array([[[1.0, 0], [2, 0], [0, 1], [3, 0]]])
    path = saved(tmp_path, ".npy", array)
    (row,) = rows(path, "tokens-choice[capacity_factor=0.5]")
    assert row["slots_per_expert"] == 1
    assert row["dropped_tokens"] == 0.5
    assert row["expert_load_requested"] == [0.75, 0.25]
    assert row["expert_load"] == [0.25, 0.25]
    assert row["max_violation_requested"] == 0.5  # 3 of a mean of 2
    assert row["max_violation"] == 0


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_files_of_all_kinds_give_the_same(tmp_path: Path, suffix: str) -> None:
    array = logits()
    drop = ["layer"]
    expected = pd.DataFrame(rows(saved(tmp_path, ".npy", array), "bpr[capacity_factor=0.5]", 6)).drop(columns=drop)
    found = pd.DataFrame(rows(saved(tmp_path, suffix, array), "bpr[capacity_factor=0.5]", 6)).drop(columns=drop)
    pd.testing.assert_frame_equal(found, expected)


def test_parts_of_any_size_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = logits(tokens=240)
    for suffix in (".npy", ".npz", ".parquet"):
        path = saved(tmp_path, suffix, array)
        whole = rows(path, "tokens-choice[top_k=2]", 8)
        monkeypatch.setattr("moebench.replay.run.PART_NUMBERS", 4 * 50)  # parts of 50 tokens: 6 groups of 8
        assert [row["expert_load"] for row in rows(path, "tokens-choice[top_k=2]", 8)] == [
            row["expert_load"] for row in whole
        ]
        monkeypatch.undo()


def test_parts_are_equal_where_the_groups_allow_it() -> None:
    # Each size of a part is a program to compile: 1000 groups are 8 parts of 125, not 7 of 131 and one of 83.
    assert run._equal_parts(1000, 131) == 125
    assert run._equal_parts(12, 100) == 12
    assert run._equal_parts(1009, 131) == 131


def test_a_group_that_fills_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, ".npy", logits())
    monkeypatch.setattr(run, "MOST_NUMBERS", 24 * 4 - 1)
    with pytest.raises(BadInput, match=r"a group of 24 tokens with 4 numbers .* a size of at most 23,"):
        rows(path, "switch")
    assert len(rows(path, "switch", 12)) == 2


def test_rows_of_an_array_on_disk_are_read_part_by_part_and_not_mapped(tmp_path: Path) -> None:
    array = logits(layers=3, tokens=10)
    for shaped, layers in ((array, list(array)), (array[0], [array[0]]), (np.asfortranarray(array), list(array))):
        path = tmp_path / "logits.npy"
        np.save(path, shaped)
        for layer, rows_of_layer in zip(open_recording(path).layers, layers, strict=True):
            parts = list(layer.parts(4))
            assert [len(part) for part in parts] == [4, 4, 2]
            np.testing.assert_array_equal(np.concatenate(parts), rows_of_layer)
            if shaped.flags.c_contiguous:  # pages of a mapping would count as memory of the process
                assert not any(isinstance(part.base if part.base is not None else part, np.memmap) for part in parts)


def test_groups_of_the_file_are_routed_apart(tmp_path: Path) -> None:
    array = logits(layers=1, tokens=10)[0]
    path = tmp_path / "grouped.npz"
    np.savez(path, logits=array, groups=[4, 6])
    (row,) = rows(path, "tokens-choice[capacity_factor=0.5]")
    counts = []
    for part in (array[:4], array[4:]):
        np.save(tmp_path / "part.npy", part[None])
        (one,) = rows(tmp_path / "part.npy", "tokens-choice[capacity_factor=0.5]")
        counts.append(one["dropped_tokens"] * len(part))
    assert row["dropped_tokens"] == pytest.approx(sum(counts) / 10)


def test_choices_are_replayed_as_the_logits_that_made_them(tmp_path: Path) -> None:
    array = logits()
    by_logits = rows(saved(tmp_path, ".npy", array), "tokens-choice[top_k=2,capacity_factor=0.75]", 12)
    np.save(tmp_path / "choices.npy", np.argsort(-array, axis=-1)[..., :2])
    recording = open_recording(tmp_path / "choices.npy")
    found = replay(recording, parse_rules("tokens-choice[capacity_factor=0.75]", 4, 2), 12, assignments=True)
    assert found["expert_load"].tolist() == [row["expert_load"] for row in by_logits]
    assert found["dropped_tokens"].tolist() == [row["dropped_tokens"] for row in by_logits]


def test_lists_are_multiplied_out() -> None:
    labels = [rule.label for rule in parse_rules("bpr[top_k=[1,2],capacity_factor=[0.5,1.25]]", 4)]
    assert labels == [
        "bpr[capacity_factor=0.5]", "bpr[capacity_factor=1.25]",
        "bpr[top_k=2,capacity_factor=0.5]", "bpr[top_k=2,capacity_factor=1.25]",
    ]  # fmt: skip


def test_placement_by_hand() -> None:
    # Loads 6, 2, 2, 2 on two devices: experts 0 and 1 together have 8 of a mean of 6. Balanced, 6 + 2 is no better,
    # since each device holds two; with two redundant experts, both copies of expert 0, then 3+3 → three copies of 2:
    # parts 2, 2, 2, 2, 2, 2, three for each device.
    load = np.array([6.0, 2, 2, 2])
    assert place(load, 2).contiguous == pytest.approx(8 / 6)
    assert place(load, 2).balanced == pytest.approx(8 / 6)
    assert place(load, 2, redundant=2).balanced == pytest.approx(1)
    assert place(np.array([4.0, 4, 1, 1]), 2).contiguous == pytest.approx(8 / 5)
    assert place(np.array([4.0, 4, 1, 1]), 2).balanced == pytest.approx(1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("soft", "does not route by logits alone"),
        ("zero-experts", "logits beside those of its experts"),
        ("bpr[experts=8]", "the logits have 4 experts"),
        ("bpr[top_k=5]", "top_k must be from 1 to experts=4"),
        ("bprr", "did you mean 'bpr'"),
    ],
)
def test_rules_that_cannot_be_replayed(rule: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_rules(rule, 4)


def test_mistakes_in_files(tmp_path: Path) -> None:
    array = logits()
    array[1, 5, 2] = np.nan
    with pytest.raises(BadInput, match=r"layer 'logits\[1\]': token 5 has a logit that is not a number"):
        rows(saved(tmp_path, ".npy", array), "switch")
    with pytest.raises(BadInput, match="groups of 7 tokens do not divide the 24"):
        rows(saved(tmp_path, ".npy", logits()), "switch", 7)
    np.savez(tmp_path / "bad.npz", logits=logits()[0], groups=[4, 6])
    with pytest.raises(BadInput, match="add up to 24, not to 10"):
        open_recording(tmp_path / "bad.npz")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(BadInput, match=r"damaged\.npz cannot be read"):
        open_recording(tmp_path / "damaged.npz")
    with pytest.raises(BadInput, match="should end in one of"):
        open_recording(saved(tmp_path, ".npy", logits()).rename(tmp_path / "logits.txt"))


def test_the_command_prints_a_line_for_each_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # wide enough for a line
    path = saved(tmp_path, ".npz", logits())
    rules = ["--router", "bpr[top_k=2,capacity_factor=[0.5,1]]", "--router", "switch"]
    files = ["--out", str(tmp_path / "rows.csv"), "--figure", str(tmp_path / "drops.png")]
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(path), *rules, "--group", "12", "--devices", "2", *files])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "24 tokens, 2 layers" in shown
    assert [line.split()[0] for line in shown.splitlines()[-3:]] == [
        "bpr[top_k=2,capacity_factor=0.5]", "bpr[top_k=2]", "switch",
    ]  # fmt: skip
    assert len(pd.read_csv(tmp_path / "rows.csv")) == 6
    assert (tmp_path / "drops.png").read_bytes().startswith(b"\x89PNG")
