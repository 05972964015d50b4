"""The cache of images: made once, by one of those who want them, and never half."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from moebench.data import Format, set_files
from moebench.data.cache import cache_folder, kept, read_record, write_record
from moebench.data.set_files import Writer
from moebench.data.threads import mapped
from moebench.errors import BadInput
from moebench.files import locked


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def maker(say: Callable[[str], None] = lambda line: None) -> Callable[[Path], None]:
    """Two training images of 1 × 1 pixel and two channels, and one for testing."""

    def make(folder: Path) -> None:
        with Writer(folder, {"train": 2, "test": 1}, Format(1, 2, 3), say) as writer:
            writer.add("train", np.array([[[[10, 0]]], [[[30, 0]]]], np.uint8), np.array([2, 0]))
            writer.add("test", np.array([[[[50, 7]]]], np.uint8), np.array([1]))
            writer.finish()

    return make


def silent(line: str) -> None:
    """Says nothing."""


def test_what_was_written_is_read_and_scaled_by_the_training_split() -> None:
    found = kept("mine", "key", maker(), silent)
    # Of 10 and 30 the mean is 20 and the deviation 10, so 50 comes out as 3. The other channel has one value.
    assert (found.train.images.mean, found.train.images.std) == ((20.0, 0.0), (10.0, 0.0))
    assert found.test.images[:].tolist() == [[[[3.0, 7.0]]]]
    assert (found.train.labels.tolist(), found.test.labels.tolist(), found.classes) == ([2, 0], [1], 3)


def test_of_two_who_start_at_once_one_makes_the_images_and_both_have_them(cache: Path) -> None:
    made, began, waits = [], threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        began.set()
        made.append(folder)
        assert waits.wait(10)
        maker()(folder)

    def say(line: str) -> None:
        assert line.startswith("waiting for another process that makes ")
        waits.set()

    found = []
    first = threading.Thread(target=lambda: found.append(kept("mine", "key", slow, silent)))
    first.start()
    began.wait()
    found.append(kept("mine", "key", slow, say))
    first.join()
    assert len(made) == 1
    assert [len(each.train) for each in found] == [2, 2]
    assert sorted(path.name for path in cache.iterdir()) == [f".key.{os.geteuid()}.lock", "key"]


def test_what_a_killed_process_left_is_cleared_away(cache: Path) -> None:
    left = cache / ".key.0123456789ab.tmp"
    left.mkdir(parents=True)
    (left / "train-images.npy").write_bytes(b"half")
    kept("mine", "key", maker(), silent)
    assert not left.exists()


def flip(path: Path, place: int, value: int | None = None) -> None:
    """Change one byte of a file, and neither its length nor its time of modification."""
    time.sleep(0.02)  # file systems count the time of change, which is left, in steps of up to 10 ms
    status, content = path.stat(), bytearray(path.read_bytes())
    content[place] = content[place] ^ 1 if value is None else value
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def linked(path: Path) -> None:
    moved = path.rename(path.parents[2] / path.name)
    path.symlink_to(moved)


def replaced(path: Path, array: Any) -> None:
    np.save(path, array)


def no_array(path: Path) -> None:
    path.write_text("text")


def recorded(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a pixel flipped": ("train-images.npy", lambda path: flip(path, -1), "differs from its digest"),
    "a label flipped": ("train-labels.npy", lambda path: flip(path, -1), "its digest|beyond its 3 classes"),
    "a label within the classes": ("test-labels.npy", lambda path: flip(path, -4, 2), "differs from its digest"),
    "a header": ("test-images.npy", lambda path: flip(path, 20), "is no array|another shape|differs from its digest"),
    "cut images": ("train-images.npy", cut, "of another length"),
    "cut labels": ("test-labels.npy", cut, "of another length"),
    "no images": ("train-images.npy", Path.unlink, "cannot be read .train-images.npy: No such file"),
    "more labels": ("test-labels.npy", lambda path: replaced(path, np.zeros(2, np.int32)), "of another shape"),
    "labels as floats": ("test-labels.npy", lambda path: replaced(path, np.zeros(1, np.float32)), "of another shape"),
    "larger images": ("test-images.npy", lambda path: replaced(path, np.zeros((1, 2, 2, 2), "u1")), "another shape"),
    "images that are no array": ("test-images.npy", no_array, "is no array"),
    "a FIFO": ("test-images.npy", fifo, "is a FIFO and no regular file"),
    "a link": ("test-images.npy", linked, "cannot be read .test-images.npy"),
    "no record": ("about.json", Path.unlink, "cannot be read .about.json: No such file"),
    "half a record": ("about.json", cut, "damaged record"),
    "a record of a wrong type": ("about.json", lambda path: recorded(path, classes="3"), "damaged record"),
    "a record of another layout": ("about.json", lambda path: recorded(path, layout=1), "another version of moebench"),
    "a mean too few": ("about.json", lambda path: recorded(path, mean=[0.0]), "damaged record"),
    "a record without a split": ("about.json", lambda path: recorded(path, counts={"train": 2}), "damaged record"),
    "a name too many": ("about.json", lambda path: recorded(path, class_names=list("abcd")), "names for 4 of 3"),
    "fewer classes": ("about.json", lambda path: recorded(path, classes=2), "labels beyond its 2 classes"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_made_again_with_a_word(cache: Path, damage: str) -> None:
    name, spoil, says = DAMAGES[damage]
    kept("mine", "key", maker(), silent)
    spoil(cache / "key" / name)
    lines: list[str] = []
    found = kept("mine", "key", maker(), lines.append)
    assert found.train.images[:].tolist() == [[[[-1.0, 0.0]]], [[[1.0, 0.0]]]]
    assert (found.train.labels.tolist(), found.test.labels.tolist()) == ([2, 0], [1])
    assert re.search(rf"^{cache}/key .*({says}).*: the images are made again\.$", lines[0])
    assert len(kept("mine", "key", lambda folder: None, silent).train) == 2  # and then they are there


def test_a_process_checks_the_digest_of_a_file_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept("mine", "key", maker(), silent)
    checked: list[int] = []
    digest = set_files._digest
    monkeypatch.setattr(set_files, "_VERIFIED", set())
    monkeypatch.setattr(set_files, "_digest", lambda handle, size: checked.append(size) or digest(handle, size))
    for _ in range(2):
        kept("mine", "key", lambda folder: None, silent)
    assert len(checked) == 4  # images and labels of both splits


def test_the_digest_is_that_of_chunks_however_they_were_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(set_files, "_CHUNK", 5)
    file = set_files._HashedFile(tmp_path, "images", (7,), np.uint8)
    for part in (b"a", b"bc", b"defg"):
        file.write(part)
    written = file.finish()
    file.close()
    content = (tmp_path / "images.npy").read_bytes()
    assert content.endswith(b"abcdefg")
    whole = hashlib.blake2b(digest_size=16)
    for start in range(0, len(content), 5):
        whole.update(hashlib.blake2b(content[start : start + 5], digest_size=16).digest())
    with (tmp_path / "images.npy").open("rb") as opened:
        assert written == whole.hexdigest() == set_files._digest(opened.fileno(), len(content))


def test_a_link_in_place_of_the_set_is_not_followed(cache: Path, tmp_path: Path) -> None:
    kept("mine", "key", maker(), silent)
    elsewhere = (cache / "key").rename(tmp_path / "elsewhere")
    (cache / "key").symlink_to(elsewhere)
    lines: list[str] = []
    kept("mine", "key", maker(), lines.append)
    assert lines[0] == f"{cache}/key is no folder: the images are made again."
    assert not (cache / "key").is_symlink()
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(path.name for path in (cache / "key").iterdir())


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "FIFO"])
def test_a_planted_lock_is_neither_followed_nor_emptied(cache: Path, tmp_path: Path, kind: str) -> None:
    target, lock = tmp_path / "precious", cache / f".key.{os.geteuid()}.lock"
    cache.mkdir()
    if kind == "FIFO":
        os.mkfifo(lock)
    else:
        lock.symlink_to(target)
    if kind == "link to a file":
        target.write_text("content")
    assert len(kept("mine", "key", maker(), silent).train) == 2
    assert target.exists() == (kind == "link to a file")
    assert not target.exists() or target.read_text() == "content"


def test_a_planted_record_is_not_followed(cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    target = tmp_path / "precious"
    target.write_text('{"value": 1}')
    (cache / "it.json").symlink_to(target)
    assert read_record("it", Record) is None
    write_record("it", Record(value=2))
    assert target.read_text() == '{"value": 1}'
    assert read_record("it", Record) == Record(value=2)
    (cache / "it.json").write_text('{"value": "1"}')
    assert read_record("it", Record) is None


class Record(BaseModel):
    model_config = ConfigDict(strict=True)
    value: int


AS_ANOTHER = """
import os, sys
from pathlib import Path
import numpy as np
from moebench.data.cache import kept
from moebench.data.dataset import Format
from moebench.data.set_files import Writer
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.umask(0o077 if "private" in sys.argv else 0o022)
def make(folder):
    with Writer(folder, {"train": 2, "test": 1}, Format(1, 2, 3), lambda line: None) as writer:
        writer.add("train", np.array([[[[10, 0]]], [[[30, 0]]]], np.uint8), np.array([2, 0]))
        writer.add("test", np.array([[[[50, 7]]]], np.uint8), np.array([1]))
        writer.finish()
print(kept("mine", "key", make, print).train.labels.tolist())
"""


def as_another_user(*arguments: str) -> list[str]:
    """Lines that `kept` says when another user wants the same images."""
    root = str(Path(set_files.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder that everybody may write to, in a place that everybody reaches."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o755)
        folder = Path(place, "cache")
        folder.mkdir()
        os.chmod(folder, 0o1777)
        monkeypatch.setenv("MOEBENCH_CACHE", str(folder))
        yield folder


def test_a_second_user_takes_what_the_first_has_made(shared: Path) -> None:
    kept("mine", "key", maker(), silent)
    assert as_another_user() == ["[2, 0]"]
    assert [path.name for path in shared.iterdir() if path.is_dir()] == ["key"]


def test_a_second_user_makes_a_copy_of_what_he_may_not_read_or_replace(shared: Path) -> None:
    kept("mine", "key", maker(), silent)
    flip(shared / "key" / "train-images.npy", -1)
    before = (shared / "key" / "train-images.npy").read_bytes()
    first = as_another_user()
    assert "differs from its digest" in first[0]
    assert first[-1] == "[2, 0]"
    assert (shared / "key" / "train-images.npy").read_bytes() == before
    assert (shared / "key.user-65534").is_dir()
    assert as_another_user() == ["[2, 0]"]


def test_what_a_second_user_made_for_himself_alone_is_not_taken_from_him(shared: Path) -> None:
    as_another_user("private")
    os.chown(shared / "key", 12345, 12345)  # root reads everything; what it may not replace is somebody's
    flip(shared / "key" / "train-images.npy", -1)
    assert len(kept("mine", "key", maker(), silent).train) == 2
    assert (shared / "key").stat().st_uid == 12345
    assert (shared / "key.user-0").is_dir()


def test_a_failed_making_leaves_nothing(cache: Path) -> None:
    def broken(folder: Path) -> None:
        maker()(folder)
        raise BadInput("no")

    with pytest.raises(BadInput, match="no"):
        kept("mine", "key", broken, silent)
    assert [path.name for path in cache.iterdir()] == [f".key.{os.geteuid()}.lock"]


def test_a_folder_that_cannot_be_written_is_said(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(BadInput, match=r"cannot keep images in .*cache: .*; MOEBENCH_CACHE names another folder"):
        kept("mine", "key", maker(), silent)


def test_a_disk_without_room_is_said_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_files.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5))
    with pytest.raises(BadInput, match=r"3 images of 1 pixels take 0.0 GB, and .* has 0.0 GB free"):
        kept("mine", "key", maker(), silent)


def test_progress_is_said_with_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_files, "_SAY_EVERY_S", 0.0)
    lines: list[str] = []
    kept("mine", "key", maker(lines.append), silent)
    assert lines[0].startswith("2 of 3 images, ")
    assert lines[0].endswith(" s left")
    assert lines[-1].startswith("3 images in ")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder().name == "cache"
    monkeypatch.delenv("MOEBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/moebench")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert cache_folder() == Path.home() / ".cache" / "moebench"


def test_mapped_keeps_the_order_and_passes_mistakes_on() -> None:
    assert list(mapped(lambda x: x * x, range(50))) == [x * x for x in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(mapped(lambda x: 1 // x, [1, 0, 1]))


def test_a_folder_without_locks_costs_repeated_work_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unsupported)
    waited: list[bool] = []
    with locked(tmp_path / "lock", lambda: waited.append(True)):
        (tmp_path / "made").touch()
    assert not waited
    with pytest.raises(OSError, match="of the block"), locked(tmp_path / "lock", lambda: None):
        raise OSError("of the block")
