"""The user's images as a source: what identifies them, what is kept, what is said."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_images import bytes_of, encoded, folder, lines_of, loaded, parquet, png, silent, table, write
from PIL import Image

from moebench import data
from moebench.data.user import source as sources
from moebench.data.user.detect import collection
from moebench.data.user.scan import scan
from moebench.data.user.splits import choose
from moebench.errors import BadInput


def identity(place: Path | str) -> str:
    return data.find(str(place)).identity()


def two_classes(root: Path) -> Path:
    return folder(root, {"train/a": [1, 2], "train/b": [3, 4], "val/a": [5], "val/b": [6]})


def a_table(root: Path) -> Path:
    parquet(root / "train-0.parquet", table([1, 2, 3, 4], [0, 1, 0, 1]))
    parquet(root / "test-0.parquet", table([5, 6], [0, 1]))
    return root


def an_archive(root: Path) -> Path:
    root.mkdir(parents=True)
    images = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(root / "mine.npz", images=images, labels=[0, 1] * 3)
    return root / "mine.npz"


def cifar(root: Path) -> Path:
    root.mkdir(parents=True)
    for name in ("train.bin", "test.bin"):
        (root / name).write_bytes(b"".join(bytes([9, fine]) + bytes(3072) for fine in (1, 0)))
    return root


KINDS: dict[str, Callable[[Path], Path]] = {
    "folders": two_classes, "table": a_table, "archive": an_archive, "CIFAR": cifar,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_elsewhere_is_the_same_data_and_is_not_decoded_again(tmp_path: Path, kind: str) -> None:
    place = KINDS[kind](tmp_path / "mine")
    first = loaded(place, 8)
    shutil.copytree(tmp_path / "mine", tmp_path / "other" / "copy", copy_function=shutil.copy)  # of another age
    copy = tmp_path / "other" / "copy" / place.relative_to(tmp_path / "mine")
    assert identity(copy) == identity(place)
    assert data.find(str(copy)).is_ready(8)
    lines: list[str] = []
    again = data.find(str(copy)).load(8, lines.append)
    assert not [line for line in lines if line.startswith("decoding")]
    assert bytes_of(again) == bytes_of(first)
    assert again.name == str(copy)
    assert not data.find(str(copy)).is_ready(16)


def test_files_by_other_names_are_the_same_data_and_hidden_files_are_none(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "mine")
    before = identity(root)
    (root / "train" / "a" / "001.png").rename(root / "train" / "a" / "0.png")
    write(root / "train" / "a" / ".DS_Store", "")
    write(root / "train" / "notes.txt", "")
    os.utime(root / "train" / "b" / "003.png", ns=(1, 1))
    assert identity(root) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "a pixel": lambda root: (root / "train" / "a" / "001.png").write_bytes(png(9)),
    "a label": lambda root: (root / "train" / "a" / "001.png").rename(root / "train" / "b" / "0.png"),
    "a split": lambda root: (root / "train" / "a" / "001.png").rename(root / "val" / "a" / "1.png"),
    "an image more": lambda root: (root / "train" / "a" / "9.png").write_bytes(png(9)),
    "an image less": lambda root: (root / "train" / "a" / "001.png").unlink(),
    "the order": lambda root: (root / "train" / "a" / "001.png").rename(root / "train" / "a" / "9.png"),
    "the name of a class": lambda root: [(root / split / "a").rename(root / split / "c") for split in ("train", "val")],
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_the_images_changes_the_identity(tmp_path: Path, change: str) -> None:
    root = two_classes(tmp_path / "mine")
    before, held = identity(root), data.find(str(root))
    assert held.identity() == before
    CHANGES[change](root)
    assert identity(root) != before
    assert not data.find(str(root)).is_ready(4)


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "mine")
    file = root / "train" / "a" / "001.png"
    before, status, content = identity(root), file.stat(), file.read_bytes()
    while identity(root) == before:  # the time of change moves in steps of a few milliseconds
        file.write_bytes(content[:-20] + png(99)[-20:] if len(png(99)) == len(content) else png(99))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert identity(root) != before


def test_images_are_read_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = two_classes(tmp_path / "mine")
    before = identity(root)
    monkeypatch.setattr(sources, "scan", lambda *arguments: pytest.fail("read again"))
    assert identity(root) == before
    assert data.find(str(root)).format(None).channels == 1


def test_a_cache_that_cannot_be_written_to_costs_another_reading_only(tmp_path: Path, cache: Path) -> None:
    root = two_classes(tmp_path / "mine")
    cache.write_text("a file")
    assert identity(root) == identity(root)
    with pytest.raises(BadInput, match="cannot keep images in"):
        loaded(root)


def test_images_are_resized_to_what_is_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    assert loaded(root, 8).train.images.shape == (2, 8, 8, 1)


def test_one_image_of_another_size_among_many_is_seen(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": list(range(40)), "b": list(range(40, 80))})
    write(root / "b" / "039.png", png(9, (6, 4)))
    with pytest.raises(BadInput, match=r"mine are not squares of one size \(4 × 4 and 6 × 4\): give image_size"):
        data.find(str(root)).format(None)


@pytest.mark.parametrize("at", ["a/000.png", "a/020.png", "b/079.png"])
def test_one_colour_image_among_many_grey_ones_is_seen(tmp_path: Path, at: str) -> None:
    root = folder(tmp_path / "mine", {"a": list(range(40)), "b": list(range(40, 80))})
    write(root / at, encoded(Image.new("RGB", (4, 4), (200, 0, 0))))
    assert loaded(root).channels == 3


def test_the_splits_of_a_user_are_taken_from_places_of_any_kind(tmp_path: Path) -> None:
    folders, archive = two_classes(tmp_path / "mine"), an_archive(tmp_path / "archived")
    rows = parquet(tmp_path / "rows.parquet", table([7, 8], ["a", "b"]))
    # Of a place with splits of its own the one for the role is taken.
    assert bytes_of(loaded(f"train={folders},validation={folders}/val,test={rows}")) == {
        "train": [(0, 1), (0, 2), (1, 3), (1, 4)], "validation": [(0, 5), (1, 6)], "test": [(0, 7), (1, 8)],
    }  # fmt: skip
    with pytest.raises(BadInput, match=r"mine has the splits train, val, and none of them is called test: "):
        loaded(f"train={folders}/train,test={folders}")
    with pytest.raises(BadInput, match=r"mine.npz has no labels of the training split's classes: the first is '0'"):
        loaded(f"train={folders}/train,test={archive}")


def test_a_named_split_without_labels_is_refused_and_none_is_taken_in_its_place(tmp_path: Path) -> None:
    root = a_table(tmp_path / "mine")
    parquet(root / "test-0.parquet", table([5, 6], None))
    parquet(root / "val-0.parquet", table([5, 6], [0, 1]))
    assert bytes_of(loaded(root))["test"] == [(0, 5), (1, 6)]
    with pytest.raises(BadInput, match=r"the test split .*mine \(test\) has no labels: no column 'label'"):
        loaded(f"place={root},train=train,test=test")
    assert len(loaded(f"place={root},train=train").test) == 2  # held out of its four


def test_notes_are_said_when_images_are_loaded_from_the_cache_as_well(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    for name in ("a", "b"):
        shape = Image.new("LA", (4, 4), (0, 255))
        shape.putpixel((0, 0), (0, 0))
        write(root / name / "5.png", encoded(shape))
        write(root / name / "6.png", encoded(shape))
    write(root / "a" / "readme.txt", "")
    notes = [
        f"left out, no images that Pillow reads: 1 (1 .txt), such as {root}/a/readme.txt.",
        "4 images with transparency: transparent pixels become mid-grey.",
    ]
    assert lines_of(root) == lines_of(root) == notes


def test_what_decoding_does_is_noted(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    deep = Image.fromarray(np.array([[0, 4095], [7, 9]], np.uint16))
    frames = [Image.new("L", (2, 2), value) for value in (40, 200)]
    animated = encoded(frames[0], "gif", save_all=True, append_images=frames[1:])
    for name in ("a", "b"):
        write(root / "train" / name / "1.png", encoded(deep))
        write(root / "train" / name / "2.gif", animated)
        write(root / "test" / name / "1.png", encoded(Image.fromarray(np.array([[0, 60000], [7, 9]], np.uint16))))
    listing = choose("it", (found := collection(str(root))).parts())
    seen = scan(found, listing, silent)
    assert seen.levels == {"16-bit": (0.0, 4095.0)}
    assert seen.notes == (
        "4 16-bit images: values from 0 to 4095, the range of the training images, are scaled to 0 to 255.",
        "2 images with several frames: the first frame is taken.",
    )
    test = data.find(str(root)).load(2, silent).test
    assert test.images.take(...)[0, 0, :, 0].tolist() == [0, 255]  # 60,000 lies beyond the range


def test_images_that_are_tested_on_and_trained_on_are_counted(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train/a": [1, 2], "train/b": [3, 4], "test/a": [1, 5], "test/b": [3, 6]})
    assert lines_of(root) == ["2 images for testing or validation are training images too, byte by byte."]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0, 5, 9, 15], "the training images are nearly flat: their bytes have a mean of "),
        ([0, 0, 0, 200], "3 of 4 training images are nearly of one value"),
    ],
)
def test_images_that_come_out_nearly_flat_are_noted(tmp_path: Path, values: list[int], says: str) -> None:
    root = tmp_path / "mine"
    for split in ("train", "test"):
        for name, two in (("a", values[:2]), ("b", values[2:])):
            for number, value in enumerate(two):
                pixels = np.zeros((8, 8), np.uint8)
                pixels[::2] = value
                write(root / split / name / f"{number}.png", encoded(Image.fromarray(pixels)))
    lines = [line for line in lines_of(root) if "byte by byte" not in line]
    assert lines[0].startswith(says)
    assert lines[1].replace("test", "training").startswith(says)


def test_progress_is_said_while_images_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moebench.data.user.scan._SAY_EVERY_S", 0.0)
    root = folder(tmp_path / "mine", {"a": list(range(100)), "b": list(range(100))})
    lines: list[str] = []
    data.find(str(root)).load(4, lines.append)
    assert lines[0].startswith("reading the images: 64 of 200, about ")


@pytest.mark.parametrize("name", ["\udcff", "a\0b"])
def test_a_place_that_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput) as mistake:
        data.find(f"{tmp_path}/{name}").format(None)
    str(mistake.value).encode()
