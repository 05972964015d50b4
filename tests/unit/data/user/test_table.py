"""Tables: Parquet files, the files of save_to_disk, and data sets of the hub."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from own_images import bytes_of, encoded, lines_of, loaded, parquet, png, saved, table, write
from PIL import Image

from moebench import data
from moebench.errors import BadInput

YES_NO = ["yes", "no"]


def test_parquet_files_of_two_splits(tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "train-00000-of-00001.parquet", table([1, 2, 3], [0, 1, 0], YES_NO))
    parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", table([4, 5], [1, 0], YES_NO))
    found = loaded(tmp_path)
    assert bytes_of(found) == {"train": [(1, 1), (0, 2), (1, 3)], "test": [(0, 4), (1, 5)]}  # no comes before yes
    assert found.channels == 3


@pytest.mark.parametrize("names", [("train_0", "test_0"), ("Train.0", "validation.0"), ("train00", "eval00")])
def test_the_first_word_of_a_parquet_file_is_its_split(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, rows in zip(names, (table([1, 2, 3], [0, 1, 1]), table([4], [1])), strict=True):
        parquet(tmp_path / "mine" / f"{name}.PARQUET", rows)
    found = loaded(tmp_path / "mine")
    assert (len(found.train), len(found.test)) == (3, 1)


def test_one_parquet_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "test-0.parquet", table([1, 2, 3, 4], [5, 6, 5, 6]))
    assert bytes_of(loaded(path)) == {"train": [(0, 3), (1, 4)], "test": [(0, 1), (1, 2)]}


@pytest.mark.parametrize("name", ["._train-0.parquet", ".train-0.parquet", ".ipynb_checkpoints/train-0.parquet"])
@pytest.mark.parametrize("at", [".", "data"])
def test_hidden_files_are_no_part_of_a_table(tmp_path: Path, at: str, name: str) -> None:
    root = tmp_path / "mine"
    parquet(root / at / "train-0.parquet", table([1, 2], [0, 1]))
    parquet(root / at / "test-0.parquet", table([3, 4], [0, 1]))
    write(root / at / name, "no table")
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2)], "test": [(0, 3), (1, 4)]}
    assert lines_of(root)[0].startswith("left out, hidden: 1, such as ")


def test_files_beside_a_table_are_counted(tmp_path: Path) -> None:
    parquet(tmp_path / "mine" / "all.parquet", table([1, 2, 3, 4], [0, 1, 0, 1]))
    write(tmp_path / "mine" / "cat" / "1.png", png(1))
    write(tmp_path / "mine" / "README.md", "text")
    assert lines_of(tmp_path / "mine")[0] == f"left out, no Parquet files: 2, such as {tmp_path}/mine/README.md."


def test_each_split_numbers_its_classes_by_its_own_names(tmp_path: Path) -> None:
    # Train: ant 0, bee 1, cow 2. Test: cow 0, ant 1.
    parquet(tmp_path / "mine" / "train-0.parquet", table([1, 2, 3], [0, 1, 2], ["ant", "bee", "cow"]))
    parquet(tmp_path / "mine" / "test-0.parquet", table([4, 5], [0, 1], ["cow", "ant"]))
    assert bytes_of(loaded(tmp_path / "mine"))["test"] == [(2, 4), (0, 5)]


def test_each_file_of_a_split_numbers_its_classes_by_its_own_names(tmp_path: Path) -> None:
    parquet(tmp_path / "mine" / "train-0.parquet", table([1, 2], [0, 1], ["ant", "bee"]))
    parquet(tmp_path / "mine" / "train-1.parquet", table([3, 4], [0, 1], ["bee", "cow"]))
    parquet(tmp_path / "mine" / "test-0.parquet", table([5, 6], ["cow", "ant"]))  # texts need no names
    found = bytes_of(loaded(tmp_path / "mine"))
    assert found == {"train": [(0, 1), (1, 2), (1, 3), (2, 4)], "test": [(2, 5), (0, 6)]}


@pytest.mark.parametrize("bare", ["train-1", "test-0", "val-0"])
def test_numbers_without_names_are_refused_beside_numbers_with_names(tmp_path: Path, bare: str) -> None:
    for number, name in enumerate(("train-0", "train-1", "test-0", "val-0")):
        rows = table([2 * number, 2 * number + 1], [0, 1], None if name == bare else ["ant", "bee"])
        parquet(tmp_path / "mine" / f"{name}.parquet", rows)
    with pytest.raises(BadInput, match=r"numbers its classes without naming them, and .* names them: store the same"):
        loaded(tmp_path / "mine")


def test_saved_splits_number_their_classes_by_their_own_names(tmp_path: Path) -> None:
    root = tmp_path / "saved"
    saved(root / "train", table([1, 2], [0, 1], ["ant", "bee"]))
    saved(root / "test", table([3, 4], [0, 1], ["bee", "ant"]))
    write(root / "dataset_dict.json", '{"splits": ["train", "test"]}')
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2)], "test": [(1, 3), (0, 4)]}
    saved(tmp_path / "chosen", table([1, 2], [0, 1]), _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(BadInput, match=r"chosen is a selection of rows: call flatten_indices"):
        loaded(tmp_path / "chosen")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (None, "no column 'label' \\(its columns are image, other\\)"),
        (pa.array([-1, -1]), "each of them is null, NaN or -1"),
        (pa.array([None, None], pa.int64()), "each of them is null"),
        (pa.nulls(2), "each of them is null"),
    ],
)
def test_a_split_without_labels_is_passed_over(tmp_path: Path, labels: pa.Array | None, why: str) -> None:
    root = tmp_path / "mine"
    parquet(root / "train-0.parquet", table([1, 2], [0, 1], YES_NO))
    parquet(root / "test-0.parquet", table([3, 4], labels, YES_NO))
    with pytest.raises(BadInput, match=f"no split of .* can be tested on: 'test' has no labels: {why}"):
        loaded(root)
    parquet(root / "validation-0.parquet", table([5, 6], [1, 0], YES_NO))
    assert bytes_of(loaded(root)) == {"train": [(1, 1), (0, 2)], "test": [(0, 5), (1, 6)]}
    assert lines_of(root)[0].startswith("the test split is 'validation', since 'test' has no labels: ")


def test_a_column_by_another_name_is_no_label_of_a_split(tmp_path: Path) -> None:
    # Else coarse labels would be tested against fine ones.
    parquet(tmp_path / "mine" / "train-0.parquet", table([1, 2], [0, 1]))
    parquet(tmp_path / "mine" / "test-0.parquet", table([3, 4], [0, 1], label="target"))
    with pytest.raises(
        BadInput, match=r"'test' has no labels: no column 'label' \(its columns are image, target, other"
    ):
        loaded(tmp_path / "mine")


@pytest.mark.parametrize("column", ["image", "label"])
def test_every_file_of_a_split_has_the_columns(tmp_path: Path, column: str) -> None:
    parquet(tmp_path / "mine" / "train-0.parquet", table([1, 2], [0, 1]))
    parquet(tmp_path / "mine" / "train-1.parquet", table([1, 2], [0, 1]).drop_columns([column]))
    parquet(tmp_path / "mine" / "test-0.parquet", table([3, 4], [0, 1]))
    with pytest.raises(BadInput, match=rf"mine/train-1.parquet has no column '{column}', and other files have"):
        loaded(tmp_path / "mine")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([True, False, True, False]), ("False", "True")),
        (pa.array([0.0, 1.0, 0.0, 1.0]), ("0", "1")),
        (pa.array([b"b", b"a", b"b", b"a"]), ("a", "b")),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), ("a", "b")),
        (pa.array([-1, 1, -1, 1]), ("-1", "1")),
        (pa.array([300, 7, 300, 7], pa.uint16()), ("7", "300")),
    ],
)
def test_labels_of_every_type_are_classes(tmp_path: Path, labels: pa.Array, classes: tuple[str, str]) -> None:
    path = parquet(tmp_path / "mine.parquet", table([1, 2, 3, 4], labels))
    found = loaded(path)
    assert found.class_names == classes
    # Of each class the first is held out for testing.
    names = {"True": True, "False": False, "0": 0.0, "1": 1.0, "-1": -1, "7": 7, "300": 300, "a": "a", "b": "b"}
    rest = [value.decode() if isinstance(value, bytes) else value for value in labels.to_pylist()[2:]]
    assert [names[found.class_name(label)] for label in found.train.labels.tolist()] == rest


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (pa.array([1.5, 0.5, 1.5, 0.5]), "holds 1.5: a label is a whole number or a text"),
        (pa.array([[0, 1], [1, 0], [0, 1], [1, 0]]), r"holds \[0, 1\]: a label is a whole number or a text"),
        (pa.array([b"\xff", b"a", b"\xff", b"a"]), r"holds b'.xff', which is no UTF-8 text"),
        (pa.array([-1, 0, 1, 2]), "has the label -1 in 1 of 4 images, which often means 'no label'"),
        (pa.array([0, 1, 0, 1], pa.timestamp("s")), "holds datetime.*: a label is a whole number or a text"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, labels: pa.Array, says: str) -> None:
    path = parquet(tmp_path / "mine.parquet", table([1, 2, 3, 4], labels))
    with pytest.raises(BadInput, match=says):
        loaded(path)


def test_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    offsets = np.arange(5, dtype=np.int32)
    labels = pa.Array.from_buffers(pa.string(), 4, [None, pa.py_buffer(offsets), pa.py_buffer(b"a\xffa\xff")])
    path = parquet(tmp_path / "mine.parquet", table([1, 2, 3, 4], labels))
    with pytest.raises(BadInput, match=r"the column 'label' of .*mine.parquet is damaged or no UTF-8 text"):
        loaded(path)


def test_one_colour_image_among_many_grey_ones_makes_the_set_coloured(tmp_path: Path) -> None:
    grey = [{"bytes": png(number), "path": None} for number in range(39)]
    red = [{"bytes": encoded(Image.new("RGB", (4, 4), (200, 0, 0))), "path": None}]
    rows = pa.table({"image": grey + red, "label": [0] * 20 + [1] * 20})
    found = loaded(parquet(tmp_path / "sorted.parquet", rows))
    assert found.channels == 3
    assert [200, 0, 0] in found.test.images.take(...)[:, 0, 0].tolist()  # the last of its class is held out


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("a.png", "holds str"),
        (None, "holds nothing"),
        ({"bytes": None, "path": "a.png"}, "holds a path and not the image"),
    ],
)
def test_images_that_are_no_bytes_are_named(tmp_path: Path, cell: Any, says: str) -> None:
    image = pa.array([cell] * 4, pa.string() if cell is None else None)
    path = parquet(tmp_path / "mine.parquet", pa.table({"image": image, "label": [1, 2, 1, 2]}))
    with pytest.raises(BadInput, match=f"the image of row 0 of .*mine.parquet {says}"):
        loaded(path)


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("dataset_dict.json", '{"splits": "train"}', "dataset_dict.json is not what save_to_disk writes"),
        ("dataset_dict.json", '{"splits": ["../train"]}', "names '../train', which is no file beside it"),
        ("dataset_dict.json", "[" * 100_000, "dataset_dict.json is not what save_to_disk writes"),
        ("dataset_dict.json", '{"splits": ["gone"]}', "cannot read .*gone/state.json"),
        ("train/state.json", '{"_data_files": [{"filename": "../../other.arrow"}]}', "which is no file beside it"),
        ("train/state.json", '{"_data_files": [{"filename": "/etc/passwd"}]}', "which is no file beside it"),
        ("train/state.json", '{"_data_files": [{"filename": 3}]}', "state.json is not what save_to_disk writes"),
        ("train/state.json", '{"_data_files": [{"filename": "gone.arrow"}]}', "cannot read .*gone.arrow: No such file"),
        ("train/state.json", "{}", "training split|has the splits|no data set|only split|needs 2|one class"),
        ("train/data-00000-of-00001.arrow", "text", "damaged"),
    ],
)
def test_records_of_saved_data_are_checked(tmp_path: Path, file: str, content: str, says: str) -> None:
    root = tmp_path / "saved"
    saved(root / "train", table([1, 2], [0, 1]))
    saved(root / "test", table([3], [1]))
    write(root / "dataset_dict.json", '{"splits": ["train", "test"]}')
    write(root / file, content)
    with pytest.raises(BadInput, match=says):
        loaded(root)


def test_more_rows_than_are_read_are_refused_by_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "mine.parquet", table([1, 2, 3, 4], [0, 1, 0, 1]))
    monkeypatch.setattr("moebench.data.user.parquet.MOST_IMAGES", 3)
    with pytest.raises(BadInput, match=r"^/.*/mine.parquet has 4 rows: up to 3 are read\.$"):
        loaded(path)


def test_more_rows_than_a_file_can_hold_images_are_refused(tmp_path: Path) -> None:
    same = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), [b"x"])
    path = parquet(tmp_path / "mine.parquet", pa.table({"image": same, "label": np.arange(100_000) % 2}))
    with pytest.raises(BadInput, match=r"mine.parquet has 100,000 rows in [0-9,]+ bytes, too few for as many images"):
        loaded(path)


def test_a_pipe_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "mine" / "train-0.parquet", table([1, 2], [0, 1]))
    os.mkfifo(tmp_path / "mine" / "test-0.parquet")
    with pytest.raises(BadInput, match=r"cannot read .*test-0.parquet: .*it is a FIFO and no regular file"):
        loaded(tmp_path / "mine")


def hub(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))  # type: ignore[arg-type]


class Rows:
    """As much of a datasets.Dataset as is used."""

    _fingerprint = "abc"

    def __init__(self, rows: pa.Table) -> None:
        self.data = SimpleNamespace(table=rows)


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    def load(path: str, configuration: str | None) -> dict[str, Rows]:
        requests.append((path, configuration))
        splits = {"train": table([1, 2], [0, 1]), "test": table([3, 4], [0, 1]), "extra": table([9], [0])}
        return {name: Rows(rows) for name, rows in splits.items()}

    hub(monkeypatch, load)
    assert bytes_of(loaded("hf:somebody/photos:small")) == {"train": [(0, 1), (1, 2)], "test": [(0, 3), (1, 4)]}
    assert set(requests) == {("somebody/photos", "small")}


def test_the_labelled_split_of_a_hub_data_set_is_tested_on_and_others_can_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits = {
        "train": table([1, 2, 3, 4], [0, 1, 0, 1], YES_NO), "test": table([5, 6], [-1, -1], YES_NO),
        "validation": table([7, 8], [0, 1], YES_NO), "odd": table([9, 10], [0, 1], YES_NO),
    }  # fmt: skip
    hub(monkeypatch, lambda path, configuration: {name: Rows(rows) for name, rows in splits.items()})
    assert bytes_of(loaded("hf:imagenet"))["test"] == [(1, 7), (0, 8)]
    assert lines_of("hf:imagenet") == [
        "the test split is 'validation', since 'test' has no labels: each of them is null, NaN or -1.",
        "left out: the split 'odd' with 2 images.",
    ]
    assert bytes_of(loaded("place=hf:imagenet,train=train,validation=validation,test=odd")) == {
        "train": [(1, 1), (0, 2), (1, 3), (0, 4)], "validation": [(1, 7), (0, 8)], "test": [(1, 9), (0, 10)],
    }  # fmt: skip
    with pytest.raises(BadInput, match="unknown split 'tets' of hf:imagenet: did you mean 'test'"):
        loaded("place=hf:imagenet,train=train,test=tets")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: str, configuration: str | None) -> None:
        raise ConnectionError(f"Couldn't reach '{path}' on the Hub\nand more")

    hub(monkeypatch, load)
    with pytest.raises(
        BadInput, match=r"^hf:no/such cannot be loaded from the Hugging Face hub: Couldn't reach 'no/such'"
    ):
        data.find("hf:no/such").format(None)
    monkeypatch.setitem(sys.modules, "datasets", None)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"not installed: pip install 'moebench\[hf\]'"):
        data.find("hf:no/such").format(None)


def test_names_of_classes_that_are_no_names_are_ignored(tmp_path: Path) -> None:
    rows = table([1, 2, 3, 4], [0, 1, 0, 1])
    for number, about in enumerate(
        ({"info": None}, {"info": {"features": {"label": {"names": "ab"}}}}, [], "[" * 9999)
    ):
        text = about if isinstance(about, str) else json.dumps(about)
        path = parquet(tmp_path / f"{number}.parquet", rows.replace_schema_metadata({"huggingface": text}))
        assert loaded(path).class_names == ("0", "1")
