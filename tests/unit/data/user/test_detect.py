"""What lies in a place, and what is wrong with it in one sentence."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from own_images import folder, parquet, png, write

from moebench import data
from moebench.errors import BadInput

WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no classes": (lambda top: write(top / "mine" / "1.png", png(1)).parent, "mine has no folders of classes: put the"),
    "one class": (lambda top: folder(top / "mine", {"a": [1, 2]}), "mine has one class, 'a': a data set needs two"),
    "one image": (lambda top: folder(top / "mine", {"a": [1, 2], "b": [3]}), "class 'b' of .*mine has 1 image"),
    "empty class": (lambda top: folder(top / "mine", {"a": [1, 2], "b": []}), "mine/b is the folder of a class and"),
    "hidden images alone": (
        lambda top: write(folder(top / "mine", {"a": [1, 2]}) / "b" / "._1.png", png(1)).parents[1],
        "mine/b is the folder of a class and has no image",
    ),
    "untrained": (
        lambda top: folder(top / "mine", {"train/a": [1], "train/b": [2], "test/a": [3], "test/c": [3]}),
        "class 'c' of .* is in the test split and has no image to train on",
    ),
    "unlabelled training": (
        lambda top: write(folder(top / "mine", {"val/a": [1], "val/b": [2]}) / "train" / "1.png", png(1)).parents[1],
        "the training split .*mine/train has no labels: it has no folders of classes",
    ),
    "unlabelled test": (
        lambda top: write(folder(top / "mine", {"train/a": [1], "train/b": [2]}) / "test" / "1.png", png(1)).parents[1],
        "no split of .*mine can be tested on: 'test' has no labels: it has no folders of classes; data: {place: ",
    ),
    "a test folder of one folder": (
        lambda top: folder(top / "mine", {"train/a": [1], "train/b": [2], "test/images": [3, 4]}),
        "'test' has no labels of the training split's classes: the first is 'images'",
    ),
    "near": (lambda top: folder(top / "photos", {"a": [1, 2]}).with_name("photo"), "did you mean .*/photos"),
    "nothing near": (lambda top: top / "zzz", "no data at .*zzz: nothing of that name is there"),
    "pickle": (lambda top: write(top / "mine.pkl"), "mine.pkl is a pickle, which can run code"),
    "pickled CIFAR": (lambda top: write(top / "data_batch_1").parent, "take its binary version"),
    "unknown kind": (lambda top: write(top / "mine.txt"), "mine.txt is no data that moebench reads: give a folder"),
    "no table": (lambda top: write(top / "mine.parquet", "text"), "mine.parquet is damaged: "),
    "no column of images": (
        lambda top: parquet(top / "t.parquet", pa.table({"picture": [b""], "label": [1]})),
        "has the columns picture, label, and none for images: name it image or img",
    ),
    "no column of labels": (
        lambda top: parquet(top / "t.parquet", pa.table({"image": [b""], "kind": [1]})),
        "has the columns image, kind, and none for labels: name it label or labels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, wrong: str) -> None:
    make, says = WRONG[wrong]
    with pytest.raises(BadInput, match=says) as mistake:
        data.find(str(make(tmp_path))).format(None)
    assert str(tmp_path) in str(mistake.value)
    assert str(mistake.value).isprintable()
