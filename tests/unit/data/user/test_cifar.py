"""CIFAR's binary files."""

import os
from pathlib import Path

import pytest
from own_images import loaded

from moebench.errors import BadInput


def rows(*labels: int) -> bytes:
    """A row: the label, then 1024 bytes of red, of green and of blue."""
    return b"".join(bytes([label]) + bytes([label] * 1024 + [100] * 1024 + [200] * 1024) for label in labels)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    for number in range(1, 6):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(rows(number % 2, 3))
    (tmp_path / "test_batch.bin").write_bytes(rows(3, 0))
    return tmp_path


def test_cifar_10(ten: Path) -> None:
    found = loaded(ten)
    assert (len(found.train), len(found.test), found.classes, found.image_size) == (10, 2, 3, 32)
    assert found.test.labels.tolist() == [2, 0]  # the classes are 0, 1 and 3
    assert found.test.images.take(...)[0, 5, 7].tolist() == [3, 100, 200]


def test_cifar_100_has_its_fine_labels(tmp_path: Path) -> None:
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(b"".join(bytes([9, fine]) + bytes(3072) for fine in (1, 0)))
    (tmp_path / "fine_label_names.txt").write_text("zebra\nant\n")
    found = loaded(tmp_path)
    assert found.class_names == ("ant", "zebra")
    assert found.train.labels.tolist() == [0, 1]  # ant, which is 1 in the file, comes first by name


@pytest.mark.parametrize("names", [b"ant\n", b"ant ant ant ant", b"\xff\xfe a b c d", b""])
def test_names_that_do_not_fit_are_left_out_for_all_files(ten: Path, names: bytes) -> None:
    (ten / "batches.meta.txt").write_bytes(names)
    assert loaded(ten).class_names == ("0", "1", "3")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (rows(3, 0)[:-1], "test_batch.bin has 6,145 bytes, which is no whole number of CIFAR's rows of 3,073"),
        (b"", "test_batch.bin has 0 bytes"),
        (rows(3, 200), "test_batch.bin is damaged: label 200 is beyond its 10 classes"),
        (None, "cannot read .*test_batch.bin: No such file"),
    ],
)
def test_damaged_files_are_named(ten: Path, content: bytes | None, says: str) -> None:
    (ten / "test_batch.bin").unlink() if content is None else (ten / "test_batch.bin").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        loaded(ten)


def test_a_pipe_is_refused(ten: Path) -> None:
    (ten / "data_batch_3.bin").unlink()
    os.mkfifo(ten / "data_batch_3.bin")
    with pytest.raises(BadInput, match=r"cannot read .*data_batch_3.bin: it is a FIFO and no regular file"):
        loaded(ten)
