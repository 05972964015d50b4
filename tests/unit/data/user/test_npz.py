"""NumPy's .npz files, and what is wrong with them, known before their arrays are read."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_images import bytes_of, loaded, write

from moebench import data
from moebench.data.user.npz import ArrayFile
from moebench.errors import BadInput

IMAGES = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_images_and_labels(tmp_path: Path) -> None:
    labels = np.array([[7], [9], [7], [9], [7], [10]]) % 10
    # Labels 7, 9 and 0: one image of class 0 is too few.
    with pytest.raises(BadInput, match=r"class '0' of .*whole.npz has 1 image, and needs 2"):
        loaded(npz(tmp_path / "whole.npz", images=IMAGES, labels=labels))
    path = npz(tmp_path / "split.npz", x_train=IMAGES[:4], y_train=[10, 9, 10, 9], x_test=IMAGES[4:], y_test=[9, 10])
    # Classes in the order of the numbers.
    assert bytes_of(loaded(path)) == {"train": [(1, 0), (0, 1), (1, 2), (0, 3)], "test": [(0, 4), (1, 5)]}


def test_a_third_split_is_for_validation_and_other_arrays_are_named(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "mine.NPZ", train_images=IMAGES[:2], train_labels=["a", "b"], val_images=IMAGES[2:4],
        val_labels=[b"b", b"a"], test_images=IMAGES[4:], test_labels=["a", "b"], weights=[1.0],
    ).with_suffix(".NPZ.npz")  # fmt: skip
    assert bytes_of(loaded(path)) == {
        "train": [(0, 0), (1, 1)],
        "validation": [(1, 2), (0, 3)],
        "test": [(0, 4), (1, 5)],
    }
    assert data.describe(str(path)).splitlines() == [
        "Images of your own, 2 classes, 2 images for training and 2 for testing, 2 for validation.",
        f"left out: the arrays weights of {path}.",
    ]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([True, False] * 3, ("False", "True")),
        ([0.0, 1.0] * 3, ("0", "1")),
        (np.array([b"b", b"a"] * 3), ("a", "b")),
        (np.array([1, 0] * 3, np.uint8), ("0", "1")),
        ([-1, 1] * 3, ("-1", "1")),
        ([0, 1, np.nan, 0, 1, np.nan], ("0", "1")),
    ],
)
def test_labels_of_every_type(tmp_path: Path, labels: Any, classes: tuple[str, str]) -> None:
    found = loaded(npz(tmp_path / "mine.npz", images=IMAGES, labels=labels))
    assert found.class_names == classes
    assert len(found.train) + len(found.test) == (
        4 if np.asarray(labels).dtype == float and np.isnan(labels).any() else 6
    )


def test_images_are_read_in_parts_and_in_any_order_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moebench.data.user.npz._PART_BYTES", 40)  # two images of 16 bytes
    labels = [0, 1] * 3
    paths = [npz(tmp_path / "c.npz", images=IMAGES, labels=labels)]
    paths.append(npz(tmp_path / "f.npz", images=np.asfortranarray(IMAGES), labels=labels))
    np.savez_compressed(tmp_path / "z.npz", images=IMAGES[..., None], labels=labels)
    for path in (*paths, tmp_path / "z.npz"):
        raws = [np.asarray(raw.content()).reshape(4, 4) for raw in ArrayFile(path).parts()[""].raw()]
        np.testing.assert_array_equal(raws, IMAGES)


def test_images_of_two_shapes_in_two_splits(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "mine.npz", x_train=IMAGES[:4], y_train=[0, 1, 0, 1],
        x_test=np.zeros((2, 8, 8, 3), np.uint8), y_test=[0, 1],
    )  # fmt: skip
    found = loaded(path, 4)
    assert found.channels == 3  # any image of any split has colour
    with pytest.raises(BadInput, match=r"not squares of one size \(4 × 4 and 8 × 8\)"):
        loaded(path)


def test_an_archive_that_unpacks_to_much_is_looked_at_without_unpacking_it(tmp_path: Path) -> None:
    path, count = tmp_path / "mine.npz", 400_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", as_npy(np.arange(count) % 2))
        with archive.open("images.npy", "w") as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, 32, 32)}
            np.lib.format.write_array_header_1_0(member, header)
            for _ in range(count // 4000):
                member.write(bytes(4000 * 1024))
    assert path.stat().st_size < 4e6
    tracemalloc.start()
    try:
        assert "320,000 images for training and 80,000 for testing" in data.describe(str(path))
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def as_npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def promising(shape: tuple[int, ...], kind: str = "|u1", content: bytes = b"") -> bytes:
    """An array whose header promises a shape, and its content."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def archived(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


LABELS = as_npy(np.array([0, 1] * 3))
SIX = as_npy(IMAGES)


def packed(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def encrypted(path: Path) -> Path:
    npz(path, images=IMAGES, labels=[0, 1] * 3)
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    return path


def claiming(path: Path) -> Path:
    """An archive whose directory claims that its images unpack to 1 TB, as the header of the array does."""
    archived(path, images=promising((1 << 20, 1 << 10, 1 << 10)), labels=as_npy(np.arange(1 << 20) % 2 == 0))
    with zipfile.ZipFile(path) as archive:
        (entry,) = (one for one in archive.infolist() if one.filename == "images.npy")
        size = entry.file_size
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    while content[at + 46 : at + 56] != b"images.npy":
        at = content.find(b"PK\x01\x02", at + 1)
    content[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFFF)
    extra = struct.pack("<HHQ", 1, 8, size + (1 << 40))
    content[at + 30 : at + 32] = struct.pack("<H", len(extra))
    content[at + 56 : at + 56] = extra
    end = content.rfind(b"PK\x05\x06")
    (directory_size,) = struct.unpack("<I", content[end + 12 : end + 16])
    content[end + 12 : end + 16] = struct.pack("<I", directory_size + len(extra))
    path.write_bytes(content)
    return path


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no archive": (lambda path: write(path, "text"), "is no file of NumPy arrays, or a damaged one"),
    "empty": (lambda path: write(path, ""), "is no file of NumPy arrays, or a damaged one"),
    "objects": (
        lambda path: npz(path, images=np.array([{}], object), labels=[1]), "holds Python objects, which could run code",
    ),
    "labels as objects": (
        lambda path: npz(path, images=IMAGES, labels=np.array(["a", 1] * 3, object)), "holds Python objects, which",
    ),
    "names": (lambda path: npz(path, x=IMAGES, y=[1]), "has the arrays x, y: name them images and labels, or x_train"),
    "no member": (lambda path: archived(path), "has the arrays none: name them images and labels"),
    "floats": (lambda path: npz(path, images=IMAGES / 9, labels=[0] * 6), r"is float64\[6, 4, 4\]: images are uint8"),
    "two channels": (
        lambda path: npz(path, images=np.zeros((6, 4, 4, 2), np.uint8), labels=[0] * 6), r"is uint8\[6, 4, 4, 2\]",
    ),
    "too few labels": (lambda path: npz(path, images=IMAGES, labels=[0]), r"has 6 images and labels of shape \[1\]"),
    "labels in rows": (
        lambda path: npz(path, images=IMAGES, labels=np.eye(6)), r"has 6 images and labels of shape \[6, 6\]",
    ),
    "complex labels": (lambda path: npz(path, images=IMAGES, labels=np.arange(6) * 1j), "a label is a whole number"),
    "labels with a fraction": (lambda path: npz(path, images=IMAGES, labels=np.arange(6) / 2), "holds 0.5: a label"),
    "minus one": (lambda path: npz(path, images=IMAGES, labels=[-1, 0, 1] * 2), "has the label -1 in 2 of 6 images"),
    "no UTF-8": (
        lambda path: npz(path, images=IMAGES, labels=np.array([b"a\xff", b"b"] * 3)), "which is no UTF-8 text",
    ),
    "no images": (lambda path: npz(path, images=IMAGES[:0], labels=[]), "has no images"),
    "images of nothing": (
        lambda path: npz(path, images=np.zeros((6, 0, 4), np.uint8), labels=[0, 1] * 3), "6 images of 0 × 4 pixels",
    ),
    "1 TB promised": (
        lambda path: archived(path, images=promising((1 << 20, 1 << 10, 1 << 10)), labels=LABELS),
        r"'images' of .* is damaged: its header promises 1,099,511,627,776 bytes, and it has 0",
    ),
    "1 TB claimed": (claiming, "is no file of NumPy arrays, or a damaged one"),
    "1 TB of labels": (
        lambda path: archived(path, images=SIX, labels=promising((1 << 37,), "<i8")),
        "'labels' of .* is damaged: its header promises 1,099,511,627,776 bytes",
    ),
    "more than any number": (
        lambda path: archived(path, images=promising((1 << 62,) * 3), labels=LABELS), "is damaged: its header",
    ),
    "a negative number": (
        lambda path: archived(path, images=promising((-6, 4, 4), "|u1", SIX), labels=LABELS), "is damaged",
    ),
    "a header of code": (
        lambda path: archived(path, images=b"\x93NUMPY\x01\x00\x40\x00" + b"__import__('os')".ljust(64), labels=LABELS),
        "'images' of .* is no NumPy array, or a damaged one",
    ),
    "a nested header": (
        lambda path: archived(path, images=b"\x93NUMPY\x01\x00\x10\x27" + (b"(" * 9999).ljust(10000), labels=LABELS),
        "'images' of .* is no NumPy array, or a damaged one",
    ),
    "no header": (lambda path: archived(path, images=b"", labels=LABELS), "is no NumPy array, or a damaged one"),
    "more images than bytes": (
        lambda path: packed(path, images=np.zeros((300_000, 1, 1), np.uint8), labels=np.zeros(300_000, bool)),
        "has 300,000 images, more than the [0-9,]+ bytes of the file",
    ),
    "encrypted": (encrypted, "is encrypted: save it without a password"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, wrong: str) -> None:
    make, says = WRONG[wrong]
    path = make(tmp_path / "mine.npz")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=says) as mistake:
            loaded(path, 4)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert str(tmp_path) in str(mistake.value)
    assert str(mistake.value).isprintable()


@pytest.mark.parametrize("count", [6, 6000])
def test_damaged_pixels_are_found(tmp_path: Path, count: int) -> None:
    images = np.arange(count, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    path = npz(tmp_path / "mine.npz", images=images, labels=np.arange(count) % 2)
    content = bytearray(path.read_bytes())
    content[content.find(images.tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"mine.npz is no (NumPy array|file of NumPy arrays), or a damaged one"):
        loaded(path)


def test_a_file_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.npz")
    with pytest.raises(BadInput, match=r"mine.npz is no data that moebench reads"):
        loaded(tmp_path / "mine.npz")


def test_the_order_of_names_does_not_matter(tmp_path: Path) -> None:
    path = npz(tmp_path / "mine.npz", labels=[0, 1] * 3, images=IMAGES)
    assert len(loaded(path).train) == 4
