"""Recordings on disk: which are found, what is read of them, and what is wrong with the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from recordings import hard_frame, soft_frame, written

import moebench
from moebench.errors import BadInput
from moebench.inside.files import decoded, images_path, read_facts, to_table, write_images, write_recording
from moebench.inside.load import check_same_images, find_recordings, load_routing
from moebench.inside.schema import FACTS_KEY, IMAGE_SCHEMA, ROUTING_SCHEMA, VERSION_KEY

BPR = {"cell": "bpr[experts=2,top_k=2]", "options": {"experts": 2, "top_k": 2}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two suites: one with bpr of two seeds and soft, one with bpr again."""
    folder = tmp_path / "_files" / "one" / "routing"
    frame = hard_frame([[[0], [1], [0], [0]]] * 3, experts=2)
    for seed in (0, 1):
        written(folder, frame, cell_id="aa", seed=seed, suite="one", **BPR)
    weights = np.full((3, 4, 2, 1), 0.25)
    soft = {"router": "soft", "cell": "soft[experts=2]", "options": {"experts": 2}, "kind": "soft"}
    written(folder, soft_frame(weights, weights), cell_id="bb", suite="one", **soft)
    written(tmp_path / "_files" / "two" / "routing", frame, cell_id="aa", suite="two", **BPR)
    return tmp_path


def test_all_recordings_make_one_frame(results: Path) -> None:
    frame = moebench.load_routing(results)
    assert list(frame.columns) == ROUTING_SCHEMA.names
    assert len(frame) == 3 * 12 + 3 * 4 * 2
    assert set(frame["router"]) == {"bpr", "soft"}
    assert frame["suite"].value_counts().to_dict() == {"one": 48, "two": 12}
    assert isinstance(frame["cell"].dtype, pd.CategoricalDtype)


def test_parts_of_recordings(results: Path) -> None:
    assert set(load_routing(results, "two")["suite"]) == {"two"}
    assert set(load_routing(results, cells=["soft"])["router"]) == {"soft"}
    assert set(load_routing(results, cells=["bpr[top_k=2]"])["router"]) == {"bpr"}
    assert set(load_routing(results, cells=["aa", "bb"])["router"]) == {"bpr", "soft"}
    assert set(load_routing(results, seeds=[1])["seed"]) == {1}
    assert set(load_routing(results, images=[2])["image"]) == {2}
    assert list(load_routing(results, columns=["token", "expert"]).columns) == ["token", "expert"]


def test_other_tools_read_the_folder_as_one_table(results: Path) -> None:
    frame = pd.read_parquet(results / "_files" / "one" / "routing")
    assert len(frame) == 48
    assert set(frame["cell"]) == {"bpr[experts=2,top_k=2]", "soft[experts=2]"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"suite": "on"}, "unknown suite among the results 'on': did you mean 'one'?"),
        ({"cells": ["switch"]}, r"no recording of 'switch' in .*; recorded are bpr\[experts=2,top_k=2\], soft"),
        ({"cells": ["switch[top_k=2]"]}, r"`moebench run 'switch\[top_k=2,record_routing=256\]'` records one"),
        ({"cells": ["bpr[top_k=1]"]}, r"no recording of 'bpr\[top_k=1\]'"),
        ({"seeds": [7]}, "seed 7 was not recorded; 0, 1 were."),
        ({"layers": [3]}, "layer 3 is no MoE layer; 1 are."),
        ({"images": [9]}, "none of the images 9 was recorded"),
        ({"columns": ["experd"]}, "unknown column 'experd': did you mean 'expert'?"),
    ],
)
def test_what_is_not_there_is_said(results: Path, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        load_routing(results, **arguments)


def test_results_without_recordings_name_the_command(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    with pytest.raises(BadInput, match=r"has no recordings of routing: `moebench run 'bpr\[.*record_routing=256\]'"):
        load_routing(tmp_path)
    with pytest.raises(BadInput, match="there is no such folder"):
        load_routing(tmp_path / "nowhere")


def test_an_expert_that_does_not_exist(results: Path) -> None:
    (recording,) = find_recordings(results, "two")
    recording.check_expert(1)
    with pytest.raises(BadInput, match="there is no expert 2; experts are 0 to 1"):
        recording.check_expert(2)


def test_only_the_newest_attempt_stays(tmp_path: Path) -> None:
    frame = hard_frame([[[0]]], experts=2)
    for attempt in (1, 2, 10):
        written(tmp_path / "_files" / "s" / "routing", frame, attempt=attempt)
    (recording,) = find_recordings(tmp_path)
    assert recording.facts.attempt == 10
    assert [path.name for path in (tmp_path / "_files" / "s" / "routing").glob("abc*")] == ["abc-0-10.parquet"]
    # A late writer of an earlier attempt does not hide the newest.
    written(tmp_path / "_files" / "s" / "routing", frame, attempt=3)
    assert [each.facts.attempt for each in find_recordings(tmp_path)] == [10]


@pytest.mark.parametrize(("version", "age"), [("0", "an older"), ("99", "a newer")])
def test_another_layout_is_recorded_again(tmp_path: Path, version: str, age: str) -> None:
    recording = written(tmp_path, hard_frame([[[0]]], experts=2))
    table = pq.read_table(recording.path)
    metadata = {**table.schema.metadata, VERSION_KEY: version.encode()}
    pq.write_table(table.replace_schema_metadata(metadata), recording.path)
    with pytest.raises(BadInput, match=f"was recorded by {age} moebench .* run its cell again with --fresh"):
        read_facts(recording.path)


def test_other_files_are_no_recordings(tmp_path: Path) -> None:
    path = tmp_path / "x-0-1.parquet"
    path.write_bytes(b"PAR1 and then noise")
    with pytest.raises(BadInput, match="cannot be read"):
        read_facts(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(BadInput, match="no recording of routing"):
        read_facts(path)


def test_recordings_of_different_images_are_not_compared(tmp_path: Path) -> None:
    one = written(tmp_path, hard_frame([[[0]]], experts=2), cell_id="a")
    two = written(tmp_path, hard_frame([[[0]]] * 2, experts=2), cell_id="b", data="digits")
    check_same_images([one, one])
    with pytest.raises(BadInput, match=r"\(stripes\) and .*\(digits\) were recorded on different images"):
        check_same_images([one, two])


def test_images_are_stored_once_and_come_back(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1)).astype(np.uint8)
    digests = [write_images(grey, np.array([4, 2]), np.array([0, 1]), tmp_path) for _ in range(2)]
    assert digests[0] == digests[1] != write_images(grey, np.array([4, 3]), np.array([0, 1]), tmp_path)
    table = pq.read_table(images_path(tmp_path, digests[0]))
    assert table.schema.equals(IMAGE_SCHEMA)
    assert table["image"].to_pylist() == [4, 2]
    np.testing.assert_array_equal(decoded(table["png"][1].as_py()), grey[1])
    colour = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
    digest = write_images(colour, np.array([0]), np.array([0]), tmp_path)
    assert decoded(pq.read_table(images_path(tmp_path, digest))["png"][0].as_py()).shape == (112, 112, 3)


def test_missing_images_are_said(tmp_path: Path) -> None:
    recording = written(tmp_path, hard_frame([[[0]]], experts=2))
    images_path(tmp_path, recording.facts.images).unlink()
    with pytest.raises(BadInput, match=r"the images of bpr\[experts=2\], seed 0 are missing"):
        recording.pictures()


def test_facts_survive_the_file(tmp_path: Path) -> None:
    recording = written(tmp_path, hard_frame([[[0]]], experts=2))
    facts = read_facts(recording.path)
    assert facts == recording.facts
    assert facts.top_k == 1
    assert FACTS_KEY in pq.read_schema(recording.path).metadata
    assert recording.experts.to_dict("records") == [
        {"layer": 1, "expert": 0, "other": 1, "cosine": 0.25, "cka": 0.5}
        | {"cell": "bpr[experts=2]", "router": "bpr", "seed": 0}
    ]


def test_rows_have_the_declared_types(tmp_path: Path) -> None:
    frame = hard_frame([[[0, 2], [1, 0]]], [[[0.5, 0.0], [0.75, 0.25]]], experts=2)
    table = to_table({name: frame[name].to_numpy() for name in frame}, written(tmp_path, frame).facts)
    assert table.schema.equals(ROUTING_SCHEMA)
    assert table["dispatch"].null_count == table.num_rows
    path = write_recording(table, tmp_path / "again", written(tmp_path, frame).facts)
    assert pq.read_schema(path).equals(ROUTING_SCHEMA)
