"""Folders of classes: which files are images, which are hidden, which splits there are."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from own_images import bytes_of, encoded, folder, lines_of, loaded, png, write
from PIL import Image

from moebench import data
from moebench.data.user.file_tree import is_hidden
from moebench.data.user.formats import SUFFIXES
from moebench.errors import BadInput


def test_folders_of_classes_are_split_evenly(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"cat": [10, 11, 12, 13, 14], "dog/deeper": [20, 21]})
    found = loaded(root)
    # A fifth of five is the first; of two one is tested.
    assert bytes_of(found) == {"train": [(0, 11), (0, 12), (0, 13), (0, 14), (1, 21)], "test": [(0, 10), (1, 20)]}
    assert (found.classes, found.image_size, found.channels) == (2, 4, 1)
    assert found.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("train", "eval"), ("training", "dev"), ("train", "val")]
)
def test_splits_are_known_by_any_of_their_names(tmp_path: Path, train: str, test: str) -> None:
    root = folder(tmp_path / "mine", {f"{train}/a": [1], f"{train}/b": [2, 3], f"{test}/b": [4], f"{test}/a": [5]})
    assert bytes_of(loaded(root)) == {"train": [(0, 1), (1, 2), (1, 3)], "test": [(0, 5), (1, 4)]}


def test_a_class_may_be_called_as_a_split_is(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train": [1, 2], "plane": [3, 4], "boat/test": [5, 6]})
    assert loaded(root).class_names == ("boat", "plane", "train")


def test_a_lone_folder_of_training_images_is_divided(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train/a": [1, 2], "train/b": [3, 4]})
    assert bytes_of(loaded(root)) == {"train": [(0, 2), (1, 4)], "test": [(0, 1), (1, 3)]}


def test_splits_by_other_names_are_no_classes(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"train/a": [1, 2], "train/b": [3, 4], "holdout/a": [5], "holdout/b": [6]})
    with pytest.raises(BadInput, match=r"mine has the splits holdout, train: moebench takes .*data: \{place: "):
        loaded(root)
    named = f"train={root}/train,test={root}/holdout"
    assert bytes_of(loaded(named)) == {"train": [(0, 1), (0, 2), (1, 3), (1, 4)], "test": [(0, 5), (1, 6)]}
    assert bytes_of(loaded(f"place={root},train=train,test=holdout")) == bytes_of(loaded(named))


HIDDEN = (
    ".ipynb_checkpoints", ".git", "._photo.png", ".DS_Store", ".Trash-1000", "__MACOSX", "@eaDir", "Thumbs.db",
    "thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information", "lost+found", "#recycle", "~$photo.png",
    "Icon\r", "__pycache__", ".nfs000123", ".AppleDouble", ".fseventsd",
)  # fmt: skip


@pytest.mark.parametrize("at", [".", "train", "train/cat", "train/cat/deeper", "test/dog"])
def test_what_systems_leave_is_hidden_at_every_depth(tmp_path: Path, at: str) -> None:
    tree = {"train/cat/deeper": [1], "train/cat": [2], "train/dog": [3, 4], "test/cat": [5], "test/dog": [6]}
    root = folder(tmp_path / "mine", tree)
    before = bytes_of(loaded(root))
    for name in HIDDEN:
        assert is_hidden(name)
        is_file = "." in name[1:] or "\r" in name
        write(root / at / name if is_file else root / at / name / "cat" / "001.png", png(99))
    assert bytes_of(loaded(root)) == before
    (note,) = lines_of(root)
    assert note.startswith(f"left out, hidden: {len(HIDDEN)}, such as {root / at}")


def test_names_of_users_are_not_hidden() -> None:
    shown = ("_background_noise_", "photo.png", "eaDir", "macosx", "thumbs", "a.b", "~tilde", "#1", "@home", "test~")
    assert not [name for name in shown if is_hidden(name)]


def test_the_place_itself_may_be_hidden(tmp_path: Path) -> None:
    root = folder(tmp_path / ".data" / "__MACOSX", {"a": [1, 2], "b": [3, 4]})
    assert len(loaded(root).train) == 2


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG", ".pjpg", "", ".jpg_large", ".2021-05-01"])
def test_a_jpeg_is_read_under_any_name(tmp_path: Path, suffix: str) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    for name in "ab":
        write(root / name / f"5{suffix}", encoded(Image.new("L", (4, 4), 77), "jpeg"))
    assert len(loaded(root).train) + len(loaded(root).test) == 6


@pytest.mark.parametrize(
    "kind", ["jpeg", "png", "gif", "webp", "avif", "tiff", "bmp", "jpeg2000", "ppm", "tga", "ico", "qoi"]
)
def test_every_kind_that_pillow_decodes_is_read(tmp_path: Path, kind: str) -> None:
    if kind.upper() not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    suffix = next(name for name, of in Image.EXTENSION.items() if of == kind.upper())
    assert suffix in SUFFIXES
    size = (16, 16)
    for name, value in (("a", 40), ("b", 200)):
        for number in range(2):
            image = Image.new("RGB", size, (value + number,) * 3)
            write(tmp_path / "mine" / name / f"{number}{suffix}", encoded(image, kind))
    found = loaded(tmp_path / "mine")
    assert found.image_size == 16
    assert np.abs(found.train.images.take(...).astype(int) - 41)[0].max() <= 2  # some of the kinds lose a little


def test_files_that_are_left_out_are_counted_by_reason(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    write(root / "README.md", "read me")
    write(root / "5.png", png(5))
    for name in ("x.svg", "y.svg", "z.txt", "z"):
        write(root / "a" / name, "no image")
    write(root / "b" / "3.png~", png(3))
    write(root / "b" / "3.png.bak", png(3))
    shown = data.describe(str(root)).splitlines()
    assert shown == [
        "Images of your own, 2 classes, 2 images for training and 2 for testing.",
        f"left out, images outside of the folders of classes: 1, such as {root}/5.png.",
        "left out, no images that Pillow reads: 7 (2 .svg, 1 .bak, 1 .md, 1 .png~, 2 of other kinds), such as "
        f"{root}/README.md.",
    ]
    assert lines_of(root)[:2] == shown[1:]


def test_folders_and_files_behind_links_count(tmp_path: Path) -> None:
    elsewhere = folder(tmp_path / "elsewhere", {"x": [7, 8]})
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    (root / "a" / "more").symlink_to(elsewhere / "x")
    (root / "c").symlink_to(elsewhere)
    (root / "b" / "9.png").symlink_to(elsewhere / "x" / "007.png")
    counts = [len(split) for split in (loaded(root).train, loaded(root).test)]
    assert sum(counts) == 2 + 2 + 2 + 1 + 2


def test_a_folder_that_contains_itself_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    (root / "b" / "again").symlink_to(root / "b")
    with pytest.raises(BadInput, match=r"mine/b/again contains itself by a link: remove the link"):
        loaded(root)


@pytest.mark.parametrize("kind", ["FIFO", "device", "folder", "dangling", "huge"])
def test_an_image_that_is_no_regular_file_is_named(tmp_path: Path, kind: str) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    odd = root / "a" / "9.png"
    if kind == "FIFO":
        os.mkfifo(odd)
    elif kind == "device":
        odd.symlink_to("/dev/zero")
    elif kind == "folder":
        odd.mkdir()
        assert len(loaded(root).train) == 2  # a folder is a folder, whatever it is called
        return
    elif kind == "dangling":
        odd.symlink_to("nowhere")
    else:
        with odd.open("wb") as file:
            file.truncate(1 << 40)
    says = {
        "FIFO": "it is a FIFO and no regular file",
        "device": "it is a device and no regular file",
        "dangling": "No such file",
        "huge": "it has 1,099,511,627,776 bytes, and at most 268,435,456 are read",
    }[kind]
    with pytest.raises(BadInput, match=rf"cannot read .*mine/a/9.png: {says}"):
        loaded(root)


@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_what_is_neither_image_nor_file_is_left_out(tmp_path: Path, kind: str) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    os.mkfifo(root / "a" / "pipe") if kind == "FIFO" else (root / "a" / "pipe").symlink_to("/dev/zero")
    assert lines_of(root)[0] == f"left out, no images that Pillow reads: 1 (1 without suffix), such as {root}/a/pipe."


def test_names_that_are_no_utf8_or_hold_control_characters_can_be_shown(tmp_path: Path) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b": [3, 4]})
    odd = os.fsencode(root) + b"/c\xff\x1b[31m"
    os.mkdir(odd)
    for number in (5, 6):
        with open(odd + b"/%d\xfe.png" % number, "wb") as file:
            file.write(png(number))
    found = loaded(root)
    assert found.class_names == ("a", "b", "c\\udcff\\x1b[31m")
    with open(odd + b"/broken\n.png", "wb") as file:
        file.write(b"no image")
    with pytest.raises(BadInput) as mistake:
        loaded(root)
    assert r"/mine/c\udcff\x1b[31m/broken\n.png is broken" in str(mistake.value)
    assert str(mistake.value).isprintable()
    str(mistake.value).encode()


def test_names_are_equal_however_their_accents_are_stored(tmp_path: Path) -> None:
    # macOS stores é as e and an accent, other systems as one letter.
    tree = {"train/caf\u00e9": [1], "train/tea": [2], "test/cafe\u0301": [3], "test/tea": [4]}
    assert bytes_of(loaded(folder(tmp_path / "mine", tree)))["test"] == [(0, 3), (1, 4)]


@pytest.mark.parametrize("content", [b"no image", png(3, (64, 64))[:60], b""])
def test_a_broken_image_is_named(tmp_path: Path, cache: Path, content: bytes) -> None:
    root = folder(tmp_path / "mine", {"a": list(range(20)), "b": [30, 31]})
    (root / "a" / "001.png").write_bytes(content)
    with pytest.raises(BadInput, match=r"^/.*/mine/a/001.png is broken: "):
        loaded(root, 4)
    assert not list(cache.glob("own*"))
    assert not list(cache.glob(".own*.tmp"))


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "mine", {"a": [1, 2], "b/inner": [3, 4]})
    scandir = os.scandir

    def refusing(place: Path) -> object:
        if str(place).endswith("inner"):
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(BadInput, match=r"cannot read the folder .*mine/b/inner: Permission denied"):
        loaded(root)
    monkeypatch.undo()
    shutil.rmtree(root)
