"""Splits that a user names one by one."""

from pathlib import Path
from typing import Any

import pytest

from moebench.errors import BadInput
from moebench.spec.cell_spec import absolute_place, is_place
from moebench.spec.data_splits import parse_splits, splits_text
from moebench.spec.entry import build_spec


def test_a_mapping_and_its_text_mean_the_same() -> None:
    named = {"test": "./b,c", "train": "./a", "validation": "hf:somebody/photos:small"}
    text = splits_text(named)
    assert text == "train=./a,validation=hf:somebody/photos:small,test=./b,c"
    assert parse_splits(text) == named


@pytest.mark.parametrize("name", ["digits", "./photos", "hf:a/b", "./train=1", "photos,test=1", ""])
def test_other_names_are_no_splits(name: str) -> None:
    assert parse_splits(name) is None
    assert splits_text(name) == name


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"trian": "./a"}, "unknown key 'trian' of data: did you mean 'train'"),
        ({"test": "./a"}, "one of them should be 'train'"),
        ({}, "one of them should be 'train'"),
        ({"train": 3}, "'train' of data should be a path or the name of a split"),
        ({"train": ""}, "'train' of data should be a path or the name of a split, and is empty"),
        ({"train": "./a", "test": "./a"}, "the same images for two splits"),
        ({"train": "./a", "validation": "./b", "test": "./b"}, "the same images for two splits"),
        ({"train": "./a,test=./b"}, "should have no ',train=' or the like"),
        ({"train": "./a,train=./b"}, "'train' occurs twice"),
    ],
)
def test_mistakes_are_named(named: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        splits_text(named)


def test_paths_of_splits_are_absolute_and_names_of_splits_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_place("train=./a,test=b") == f"train={tmp_path}/a,test={tmp_path}/b"
    assert absolute_place("place=./a,train=x,test=y") == f"place={tmp_path}/a,train=x,test=y"
    assert absolute_place("place=hf:food101,train=x") == "place=hf:food101,train=x"
    assert is_place("train=a,test=b")


def test_a_cell_takes_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = build_spec({"router": "dense", "data": {"train": "./a", "test": "./b"}, "pretrain_data": {"train": "./c"}})
    assert (spec.data, spec.pretrain_data) == (f"train={tmp_path}/a,test={tmp_path}/b", f"train={tmp_path}/c")
    with pytest.raises(BadInput, match="unknown key 'tset' of data") as mistake:
        build_spec({"router": "dense", "data": {"train": "./a", "tset": "./b"}})
    assert mistake.value.key == "data"
