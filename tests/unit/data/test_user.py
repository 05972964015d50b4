"""The user's own images, of every kind that is read, and what is wrong with them in one sentence."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from moebench import data
from moebench.data import Dataset
from moebench.data.holdout import held_out
from moebench.data.user.decode import decode, look
from moebench.data.user.reader import Raw
from moebench.errors import BadInput
from moebench.spec.cell_spec import absolute_place, is_place


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))


def silent(line: str) -> None:
    """Says nothing."""


def png(value: int, size: tuple[int, int] = (4, 4), mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value,) * 3).save(file, "png")
    return file.getvalue()


def bytes_of(found: Dataset) -> dict[str, list[tuple[int, int]]]:
    """Of each split the label and the first byte of every image."""
    return {
        name: [
            (int(label), int(image[0, 0, 0])) for image, label in zip(split.images.stored, split.labels, strict=True)
        ]
        for name, split in (("train", found.train), ("test", found.test))
    }


def folder(root: Path, tree: dict[str, list[int]]) -> Path:
    """A folder with an image of one grey for each value, in the folders that are the keys."""
    for place, values in tree.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for value in values:
            (root / place / f"{value:03}.png").write_bytes(png(value))
    return root


def loaded(path: Path, size: int | None = None) -> Dataset:
    return data.find(str(path)).load(size, silent)


def test_folders_of_classes_are_split_evenly(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"cat": [10, 11, 12, 13, 14], "dog/deeper": [20, 21]})
    (root / "dog" / "notes.txt").write_text("no image")
    found = loaded(root)
    # A fifth of five is the first; of two one is tested.
    assert bytes_of(found) == {"train": [(0, 11), (0, 12), (0, 13), (0, 14), (1, 21)], "test": [(0, 10), (1, 20)]}
    assert (found.classes, found.image_size, found.channels) == (2, 4, 1)


def test_a_split_of_the_users_own_is_kept(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train/a": [1], "train/b": [2, 3], "val/b": [4]})
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2), (1, 3)], "test": [(1, 4)]}


@pytest.mark.parametrize(("train", "test"), [("Train", "Test"), ("train", "eval"), ("training", "dev")])
def test_splits_are_known_by_any_of_their_names(tmp_path: Path, train: str, test: str) -> None:
    root = folder(tmp_path / "mine", {f"{train}/a": [1], f"{train}/b": [2, 3], f"{test}/b": [4]})
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2), (1, 3)], "test": [(1, 4)]}


def test_a_class_may_be_called_as_a_split_is(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train": [1, 2], "plane": [3, 4]})
    assert {label for label, _ in bytes_of(loaded(root))["train"]} == {0, 1}


def test_grey_images_of_16_bits_keep_their_range() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 256], [32768, 65535]], np.uint16)).save(file, "png")
    # The upper 8 of 16 bits: 256 is 1, 32768 is 128, 65535 is 255.
    assert decode(Raw("x-ray.png", file.getvalue()), 2, 1)[..., 0].tolist() == [[0, 1], [128, 255]]


def test_images_are_resized_to_what_is_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    assert loaded(root, 8).train.images.shape == (2, 8, 8, 1)


def test_the_identity_follows_the_files(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    before = data.find(str(root)).identity()
    assert data.find(f"{root}/../mine").identity() == before
    os.utime(root / "a" / "001.png", ns=(1, 1))
    changed = data.find(str(root)).identity()
    (root / "b" / "003.png").rename(root / "a" / "003.png")
    (root / "b" / "005.png").write_bytes(png(5))
    assert len({before, changed, data.find(str(root)).identity()}) == 3


def test_arrays(tmp_path: Path) -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(tmp_path / "whole.npz", images=images, labels=np.array([[7], [9], [7], [9], [7], [10]])[:, :1] % 10)
    # Labels 7, 9 and 0: classes in the order of the numbers. One of 0 is too few.
    with pytest.raises(BadInput, match=r"class '0' of .*whole.npz has 1 image, and needs 2"):
        loaded(tmp_path / "whole.npz")
    np.savez(tmp_path / "split.npz", x_train=images[:4], y_train=[10, 9, 10, 9], x_test=images[4:], y_test=[9, 10])
    assert bytes_of(loaded(tmp_path / "split.npz")) == {
        "train": [(1, 0), (0, 1), (1, 2), (0, 3)],
        "test": [(0, 4), (1, 5)],
    }


def test_cifar_10(tmp_path: Path) -> None:
    # A row: the label, then 1024 bytes of red, of green and of blue.
    def rows(*labels: int) -> bytes:
        return b"".join(bytes([label]) + bytes([label] * 1024 + [100] * 1024 + [200] * 1024) for label in labels)

    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(rows(number % 2, 3))
    (tmp_path / "test_batch.bin").write_bytes(rows(3, 0))
    found = loaded(tmp_path)
    assert (len(found.train), len(found.test), found.classes, found.image_size) == (10, 2, 3, 32)
    assert found.test.labels.tolist() == [2, 0]  # the classes are 0, 1 and 3
    assert found.test.images.stored[0, 5, 7].tolist() == [3, 100, 200]
    (tmp_path / "test_batch.bin").write_bytes(rows(3, 0)[:-1])
    with pytest.raises(BadInput, match=r"test_batch.bin has 6,145 bytes, which is no whole number of CIFAR's rows"):
        loaded(tmp_path)


def test_cifar_100_has_its_fine_labels(tmp_path: Path) -> None:
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(b"".join(bytes([9, fine]) + bytes(3072) for fine in (1, 0)))
    (tmp_path / "fine_label_names.txt").write_text("zebra\nant\n")
    found = loaded(tmp_path)
    assert found.train.labels.tolist() == [0, 1]  # ant, which is 1 in the file, comes first by name


def table(values: list[int], labels: list[int], names: list[str] | None = None) -> pa.Table:
    images = [{"bytes": png(value, mode="RGB"), "path": None} for value in values]
    columns = pa.table({"image": images, "label": labels, "other": labels})
    if names is None:
        return columns
    about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    return columns.replace_schema_metadata({"huggingface": json.dumps(about)})


def test_parquet_files_of_two_splits(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(table([1, 2, 3], [0, 1, 0], ["yes", "no"]), tmp_path / "data" / "train-00000-of-00001.parquet")
    pq.write_table(table([4], [1], ["yes", "no"]), tmp_path / "data" / "validation-00000-of-00001.parquet")
    found = loaded(tmp_path)
    assert bytes_of(found) == {"train": [(1, 1), (0, 2), (1, 3)], "test": [(0, 4)]}  # no comes before yes
    assert found.channels == 3


@pytest.mark.parametrize("names", [("train_0", "test_0"), ("Train.0", "validation.0"), ("train00", "eval00")])
def test_the_first_word_of_a_parquet_file_is_its_split(tmp_path: Path, names: tuple[str, str]) -> None:
    (tmp_path / "mine").mkdir()
    for name, rows in zip(names, (table([1, 2, 3], [0, 1, 1]), table([4], [1])), strict=True):
        pq.write_table(rows, tmp_path / "mine" / f"{name}.parquet")
    found = loaded(tmp_path / "mine")
    assert (len(found.train), len(found.test)) == (3, 1)


def test_one_parquet_file(tmp_path: Path) -> None:
    pq.write_table(table([1, 2, 3, 4], [5, 6, 5, 6]), tmp_path / "mine.parquet")
    assert bytes_of(loaded(tmp_path / "mine.parquet")) == {"train": [(0, 3), (1, 4)], "test": [(0, 1), (1, 2)]}


def saved(folder: Path, rows: pa.Table, **state: Any) -> None:
    """What `datasets.save_to_disk` leaves."""
    folder.mkdir(parents=True)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, rows.schema) as out,
    ):
        out.write_table(rows)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_data_files": None, **state}
    (folder / "state.json").write_text(json.dumps(state))


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    root = tmp_path / "saved"
    saved(root / "train", table([1, 2], [0, 1]))
    saved(root / "test", table([3], [1]))
    (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2)], "test": [(1, 3)]}
    saved(tmp_path / "chosen", table([1, 2], [0, 1]), _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(BadInput, match=r"chosen is a choice of rows: call flatten_indices"):
        loaded(tmp_path / "chosen")


def hub(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))  # type: ignore[arg-type]


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rows:
        """As much of a datasets.Dataset as is asked of it."""

        _fingerprint = "abc"

        def __init__(self, rows: pa.Table) -> None:
            self.data = SimpleNamespace(table=rows)

    asked = []

    def load(path: str, configuration: str | None) -> dict[str, Rows]:
        asked.append((path, configuration))
        return {"train": Rows(table([1, 2], [0, 1])), "test": Rows(table([3], [0])), "extra": Rows(table([9], [0]))}

    hub(monkeypatch, load)
    found = data.load("hf:somebody/photos:small", say=silent)
    assert bytes_of(found) == {"train": [(0, 1), (1, 2)], "test": [(0, 3)]}
    assert set(asked) == {("somebody/photos", "small")}


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: str, configuration: str | None) -> None:
        raise ConnectionError(f"Couldn't reach '{path}' on the Hub\nand more")

    hub(monkeypatch, load)
    with pytest.raises(
        BadInput, match=r"^hf:no/such cannot be had from the Hugging Face hub: Couldn't reach 'no/such'"
    ):
        data.find("hf:no/such").format(None)
    monkeypatch.setitem(sys.modules, "datasets", None)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"not installed: pip install 'moebench\[hf\]'"):
        data.find("hf:no/such").format(None)


def test_the_middle_of_an_image_is_kept() -> None:
    # Twelve columns, red, green and blue in fours: the square in the middle is green.
    pixels = np.zeros((4, 12, 3), np.uint8)
    for third in range(3):
        pixels[:, 4 * third : 4 * third + 4, third] = 255
    middle = decode(Raw("it", pixels), 4, 3)
    assert middle.reshape(-1, 3).tolist() == [[0, 255, 0]] * 16
    # Its luminance is 0.587 of white.
    assert decode(Raw("it", pixels), 4, 1).ravel().tolist() == [round(0.587 * 255)] * 16


def test_an_image_is_turned_as_its_camera_says() -> None:
    pixels = np.zeros((4, 4), np.uint8)
    pixels[0] = 255
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(file, "png", exif=exif)
    assert decode(Raw("it", file.getvalue()), 4, 1)[:, 0, 0].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("P", 3), ("RGBA", 3), ("1", 1)])
def test_colour_is_told_from_the_header(mode: str, channels: int) -> None:
    file = io.BytesIO()
    Image.new(mode, (3, 2)).save(file, "png")
    found = look(Raw("it", file.getvalue()))
    assert (found.width, found.height, found.channels) == (3, 2, channels)


@pytest.mark.parametrize("content", [b"no image", png(3, (64, 64))[:60], b""])
def test_a_broken_image_is_named(tmp_path: Path, content: bytes) -> None:
    root = folder(tmp_path / "mine", {"a": list(range(20)), "b": [30, 31]})
    (root / "a" / "001.png").write_bytes(content)
    with pytest.raises(BadInput, match=r"^/.*/mine/a/001.png is broken: "):
        loaded(root, 4)
    assert not list((tmp_path / "cache").glob("own*"))
    assert not list((tmp_path / "cache").glob(".own*.tmp"))


def write(path: Path, content: bytes | str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def arrays(path: Path, **content: Any) -> Path:
    np.savez(path, **content)
    return path


def parquet(path: Path, **columns: list[Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def linked(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path


GREY = np.zeros((4, 8, 8), np.uint8)
WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no classes": (lambda top: write(top / "mine" / "1.png", png(1)).parent, "mine has no folders of classes: put the"),
    "one class": (lambda top: folder(top / "mine", {"a": [1, 2]}), "mine has one class, 'a': a data set needs two"),
    "one image": (lambda top: folder(top / "mine", {"a": [1, 2], "b": [3]}), "class 'b' of .*mine has 1 image"),
    "empty class": (lambda top: folder(top / "mine", {"a": [1, 2], "b": []}), "mine/b is the folder of a class and"),
    "untrained": (
        lambda top: folder(top / "mine", {"train/a": [1], "train/b": [2], "test/c": [3]}),
        "class 'c' of .* is tested and has no image to train on",
    ),
    "sizes": (
        lambda top: write(folder(top / "mine", {"a": [1, 2], "b": [3]}) / "b" / "4.png", png(9, (6, 4))).parents[1],
        r"mine are not squares of one size \(4 × 4 and 6 × 4\): give image_size",
    ),
    "dangling": (
        lambda top: linked(folder(top / "mine", {"a": [1, 2], "b": [3, 4]}) / "a" / "9.png").parents[1],
        "cannot read .*mine/a/9.png: No such file",
    ),
    "near": (lambda top: folder(top / "photos", {"a": [1, 2]}).with_name("photo"), "did you mean .*/photos"),
    "nothing near": (lambda top: top / "zzz", "no data at .*zzz: nothing of that name is there"),
    "pickle": (lambda top: write(top / "mine.pkl"), "mine.pkl is a pickle, which can run code"),
    "pickled CIFAR": (lambda top: write(top / "data_batch_1").parent, "take its binary version"),
    "unknown kind": (lambda top: write(top / "mine.txt"), "mine.txt is no data that moebench reads: give a folder"),
    "objects": (
        lambda top: arrays(top / "mine.npz", images=np.array([{}], object), labels=[1]),
        "mine.npz holds Python objects, which could run code",
    ),
    "no archive": (lambda top: write(top / "mine.npz", "text"), "mine.npz is no file of NumPy arrays"),
    "names": (lambda top: arrays(top / "mine.npz", x=GREY, y=[1]), "has the arrays x, y: name them images and labels"),
    "floats": (
        lambda top: arrays(top / "mine.npz", images=GREY.astype(float), labels=[0] * 4),
        r"'images' of .* is float64\[4, 8, 8\]: images are uint8",
    ),
    "too few labels": (lambda top: arrays(top / "mine.npz", images=GREY, labels=[0]), "has 4 images and labels of"),
    "no table": (lambda top: write(top / "mine.parquet", "text"), "cannot read .*mine.parquet: "),
    "no column": (
        lambda top: parquet(top / "t.parquet", picture=[b""], label=[1]),
        "has the columns picture, label, and none for images: name it image or img",
    ),
    "no bytes": (
        lambda top: parquet(top / "t.parquet", image=["a", "b"] * 2, label=[1, 2] * 2).parent,
        "the image of row 0 of .* holds str: moebench takes images as the bytes",
    ),
    "real labels": (
        lambda top: parquet(top / "t.parquet", image=[b""], label=[1.5]),
        "the column 'label' of .* holds 1.5: a label is a whole number or a text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, wrong: str) -> None:
    make, says = WRONG[wrong]
    with pytest.raises(BadInput, match=says) as mistake:
        data.find(str(make(tmp_path))).format(None)
    assert str(tmp_path) in str(mistake.value)
    assert "\n" not in str(mistake.value)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_a_fifth_of_every_class_is_held_out(labels: list[int]) -> None:
    test = held_out(np.array(labels))
    for label in set(labels):
        members = np.array(labels) == label
        count = int(members.sum())
        assert test[members].sum() == max(1, round(0.2 * count))
        assert count == 1 or not test[members].all()


def test_places_are_told_from_names() -> None:
    assert [is_place(name) for name in ("digits", "fractals-1k", "photos")] == [False] * 3
    assert [is_place(name) for name in ("./photos", "/data/x.npz", "~photos", "hf:mnist")] == [True] * 4
    assert absolute_place("./photos") == str(Path.cwd() / "photos")
    assert absolute_place("hf:a/b") == "hf:a/b"
    assert absolute_place("digits") == "digits"
