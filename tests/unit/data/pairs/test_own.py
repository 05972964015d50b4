"""The user's own image-text pairs."""

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from own_images import parquet, saved, silent, write
from own_pairs import csv, images, jsonl, loaded, shown, table

from moebench.data.pairs import PairSource, find_pairs
from moebench.data.pairs.captions import MOST_TEST_IMAGES
from moebench.data.pairs.own import OwnPairs
from moebench.errors import BadInput

NAMES = ["a.png", "b.png", "c.png", "sub/d.png", "e.png"]

pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install 'moebench[text]'")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five captioned images, of which one has two captions."""
    root = images(tmp_path / "mine", NAMES)
    return csv(root, [(name, f"the photo {name[:-4]}") for name in NAMES] + [("./a.png", "another one")])


def _refused(place: Path | str) -> str:
    with pytest.raises(BadInput) as error:
        loaded(place)
    return str(error.value)


def _notes(place: Path | str) -> str:
    return "\n".join(loaded(place).notes)


def test_a_folder_with_captions(folder: Path) -> None:
    found = shown(loaded(folder))
    assert found["train"] | found["test"] == {
        0: ("the photo a", "another one"),
        **{value: (f"the photo {NAMES[value][:-4]}",) for value in range(1, 5)},
    }
    assert len(found["test"]) == 2  # a fifth would be one image, among which nothing can be retrieved


@pytest.mark.parametrize("column", ["caption", "text"])
def test_parquet_and_saved_data_sets_with_texts_or_lists_of_texts(tmp_path: Path, column: str) -> None:
    rows = table([["one", "uno"], ["two"], ["three"], ["four", "vier"]], column)
    single = table(["one", "two", "three", "four"], column)
    lists = loaded(parquet(tmp_path / "lists.parquet", rows))
    texts = loaded(saved(tmp_path / "texts", single))
    assert shown(lists)["train"] | shown(lists)["test"] == {
        0: ("one", "uno"),
        1: ("two",),
        2: ("three",),
        3: ("four", "vier"),
    }
    assert shown(texts)["train"] | shown(texts)["test"] == {0: ("one",), 1: ("two",), 2: ("three",), 3: ("four",)}


def test_splits_by_name_and_by_place(tmp_path: Path, folder: Path) -> None:
    both = tmp_path / "both"
    for split, text in (("train", "in training"), ("test", "in test"), ("val", "unused")):
        csv(images(both / split, ["1.png", "2.png"]), [("1.png", text), ("2.png", text)])
    found = loaded(both)
    assert shown(found) == {
        "train": dict.fromkeys((0, 1), ("in training",)),
        "test": dict.fromkeys((0, 1), ("in test",)),
    }
    assert "left out: the split 'val' with 2 images." in found.notes
    images(both / "dev", ["1.png"])
    (note,) = (note for note in loaded(both).notes if note.startswith("left out, outside of"))
    assert note == f"left out, outside of the folders of splits with captions: 1, such as {both / 'dev'}."
    named = shown(loaded(f"train={folder},test={both / 'test'}"))
    assert len(named["train"]) == 5
    assert named["test"] == dict.fromkeys((0, 1), ("in test",))


def test_json_lines_give_one_caption_or_several(tmp_path: Path) -> None:
    root = images(tmp_path / "mine", NAMES[:4])
    rows: list[dict[str, object]] = [{"file_name": name, "caption": [name, "x"]} for name in NAMES[:3]]
    found = shown(loaded(jsonl(root, [*rows, {"file_name": "sub/d.png", "caption": "d"}])))
    assert (found["train"] | found["test"])[3] == ("d",)
    assert (found["train"] | found["test"])[0] == ("a.png", "x")


def test_nothing_is_lost_silently(tmp_path: Path) -> None:
    root = images(tmp_path / "mine", [*NAMES, "unnamed.png", ".hidden.png", "empty.png"])
    write(root / "notes.txt", "none of the pairs")
    rows = [(name, "a photo") for name in NAMES]
    rows += [("a.png", "a  photo"), ("lost.png", "x"), ("../b.png", "x"), (".hidden.png", "x"), ("notes.txt", "x")]
    notes = _notes(csv(root, [*rows, ("b.png", " "), ("empty.png", "")]))
    assert "left out: 1 of 6 images of" in notes
    assert "left out, images that no caption names: 1, such as" in notes
    assert "left out, captions of files that are missing: 2, such as lost.png." in notes
    assert "left out, captions of hidden files: 1, such as .hidden.png." in notes
    assert "left out, captions of files that are no images: 1, such as notes.txt." in notes
    assert "left out, captions that repeat another one of their image: 1, such as a.png." in notes
    assert "left out, lines without text: 2, such as" in notes
    assert "left out, no images that Pillow reads: 1 (1 .txt)" in notes


def test_rows_without_text_are_counted(tmp_path: Path) -> None:
    place = parquet(tmp_path / "set.parquet", table(["one", None, "three", "  ", "five", "six"]))
    assert f"left out: 2 of 6 images of {place}, which have no text." in loaded(place).notes


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (table([None, " ", ""]), "set.parquet has no image with a caption, and needs 2 or more."),
        (table(["one", None]), "set.parquet has 1 image with a caption, and needs 2 or more."),
        (table(["one", "two"]), "has 2 images with captions, and needs 4 or more to hold some out for testing."),
        (
            table(["one"] * 4, "captoin"),
            "image, captoin, and none for captions: rename 'captoin' to 'caption'",
        ),
        (
            table(["one"] * 4, "label"),
            "image, label, and none for captions: name it caption or captions or text",
        ),
        (table([1, 2, 3, 4]), "row 0 of "),
        (table([[["a"], ["b"]]] * 4).drop_columns(["image"]), "none for images: name it image"),
    ],
)
def test_tables_that_are_no_pairs(tmp_path: Path, rows: pa.Table, says: str) -> None:
    assert says in _refused(parquet(tmp_path / "set.parquet", rows))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("captions.csv", "file_nam,caption\na.png,x", "and none for files: rename 'file_nam' to 'file_name'"),
        ("captions.csv", "file_name,caption\na.png,x, and y", "line 2 of"),
        ("captions.csv", "file_name,caption\na.png", "has fewer cells than the first line has columns"),
        ("captions.csv", "file_name,text\nz.png,x", "names of files in its folder, such as a.png"),
        ("captions.csv", "file_name,caption\n", "captions.csv has no line"),
        ("captions.csv", b"file_name,caption\na.png,\xff", "captions.csv is no UTF-8 text: byte 24 is wrong."),
        ("captions.csv", 'file_name,caption\na.png,"x', "is no CSV"),
        ("captions.jsonl", '{"file_name": "a.png", "caption": 3}', "has 3 as caption: a caption is a text, or a"),
        ("captions.jsonl", '{"file_name": 3, "caption": "x"}', "has no text as the name of a file"),
        ("captions.jsonl", "[1]", "line 1 of"),
        ("captions.jsonl", "{", "is no JSON"),
    ],
)  # fmt: skip
def test_files_of_captions_that_cannot_be_read(tmp_path: Path, name: str, content: Any, says: str) -> None:
    write(images(tmp_path / "mine", NAMES) / name, content)
    assert says in _refused(tmp_path / "mine")


def test_two_files_of_captions_are_one_too_many(folder: Path) -> None:
    jsonl(folder, [{"file_name": "a.png", "caption": "x"}])
    assert _refused(folder).endswith("has captions.csv and captions.jsonl: keep one of them.")


def test_places_without_captions_are_refused(tmp_path: Path) -> None:
    images(tmp_path / "classes", ["cat/1.png", "dog/1.png"])
    assert "classes has no captions: give a folder with captions.csv" in _refused(tmp_path / "classes")
    write(tmp_path / "classes" / "metadata.csv", "file_name,text")
    assert _refused(tmp_path / "classes").endswith("has no captions: rename metadata.csv to captions.csv.")
    assert "did you mean" in _refused(tmp_path / "clases")
    assert _refused("digits").startswith("digits has labels and no captions: give scenes-8192, or")
    assert "did you mean 'scenes-8192'" in _refused("scene-8192")


def test_at_most_a_thousand_images_are_held_out(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert MOST_TEST_IMAGES == 1000
    monkeypatch.setattr("moebench.data.pairs.captions.MOST_TEST_IMAGES", 2)
    monkeypatch.setattr("moebench.data.pairs.captions.SHARE", 0.6)
    assert len(loaded(folder).test) == 2


def test_identity_follows_content_and_not_the_place(tmp_path: Path, folder: Path) -> None:
    other = csv(images(tmp_path / "copy", NAMES), [(name, f"the photo {name[:-4]}") for name in NAMES])
    before = OwnPairs(str(other)).identity()
    csv(other, [(name, f"the photo {name[:-4]}") for name in NAMES] + [("a.png", "another one")])
    assert OwnPairs(str(other)).identity() == OwnPairs(str(folder)).identity() != before


def test_the_tokenizer_is_kept_and_follows_the_training_captions(tmp_path: Path, folder: Path) -> None:
    first, again = loaded(folder), loaded(folder)
    ids = first.tokenizer.encode(["the photo a"]).ids
    assert (again.tokenizer.encode(["the photo a"]).ids == ids).all()
    assert len(list((tmp_path / "cache").glob("tokenizer-*.json"))) == 1
    csv(folder, [(name, "other words") for name in NAMES])
    assert (loaded(folder).tokenizer.encode(["the photo a"]).ids != ids).any()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert "pip install 'moebench[text]'" in _refused(folder)


def test_a_place_is_a_source_of_pairs(folder: Path) -> None:
    source = find_pairs(str(folder))
    assert isinstance(source, PairSource)
    assert source.format(8).image_size == 8
    assert not source.is_ready(None)
    source.load(None, silent)
    assert source.is_ready(None)
    assert source.describe().startswith("Image-text pairs of your own, 3 images with 3 captions for training and 2 im")
